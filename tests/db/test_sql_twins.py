"""Rules that exist twice, in Python and in SQL: enumeration shows them equal on both databases."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count, product
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from app.calendar.queries import read_current_calendar
from app.db.engines import Connection
from app.db.tables import EntryVersion, Subject
from app.disclosure.store import build_disclosure_state_expression
from app.entries.projections import build_disclosure_view
from app.entries.store import reads, writes
from app.entries.store.rows import EntryRow
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    Channel,
    ChannelPublication,
    DisclosureState,
    compute_disclosure_state,
    compute_fulfilment,
    serialize_channels,
)
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import AccessLevel, Caller, Role
from app.rules.status import ENDED_STATUSES, Status, Term, compute_status
from app.rules.suspension import Suspension, determine_suspension
from tests.support.world import World

START = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
RED, BLACK, RECORD = ListKind.red, ListKind.black, ListKind.record


def day(number: int) -> date:
    return START + timedelta(days=number)


@dataclass
class Rows:
    """Rows of entries that are inserted without any rule."""

    subjects: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def subject(self) -> UUID:
        subject_id = uuid7()
        self.subjects.append(
            {
                "id": subject_id,
                "kind": "legal_person",
                "name": "某公司",
                "name_key": "某公司",
                "name_as_of": START,
                "created_at": AT,
            }
        )
        return subject_id

    def entry(self, subject_id: UUID, kind: ListKind) -> UUID:
        entry_id = uuid7()
        self.entries.append(
            {
                "id": entry_id,
                "subject_id": subject_id,
                "list_type": f"wage_arrears.{'penalty' if kind is RECORD else kind}",
                "kind": kind.value,
                "department": "human_resources",
                "source_ref": str(len(self.entries)),
                "replaces": None,
                "received_at": AT,
            }
        )
        return entry_id

    def version(self, entry_id: UUID, **columns: Any) -> int:
        """Insert the next version of an entry, at the next change number."""
        entry = next(item for item in reversed(self.entries) if item["id"] == entry_id)
        seq = next(self.numbers)
        before = (
            [item for item in self.versions if item["entry_id"] == entry_id]
            if columns.pop("again", False)
            else []
        )
        for item in before:
            item["superseded_seq"] = item["superseded_seq"] or seq
        self.versions.append(
            {
                "entry_id": entry_id,
                "version": len(before) + 1,
                "seq": seq,
                "superseded_seq": None,
                **{name: entry[name] for name in ("subject_id", "list_type", "kind", "department")},
                "action": "record",
                "action_digest": "-",
                "change_reason": None,
                "actor_id": None,
                "actor_name": "a test",
                "recorded_at": AT,
                "catalogue_version": 1,
                "facts": {},
                "facts_digest": "-",
                "severity": None,
                "decided_on": START,
                "effective_from": START,
                "effective_until": None,
                "cap_ends_on": None,
                "exited_on": None,
                "revoked_on": None,
                "void": False,
                "disputed": False,
                "disclosure_class": "public",
                "deadline": START,
                "provisional": False,
                "calendar_version": 1,
                "reported_late": False,
                "channels": {},
                "published_on": None,
                "published_late": None,
                **columns,
            }
        )
        return seq

    def add(self, subject_id: UUID, kind: ListKind, **columns: Any) -> UUID:
        entry_id = self.entry(subject_id, kind)
        self.version(entry_id, **columns)
        return entry_id

    def write(self, world: World) -> None:
        with world.registry.database.writing() as connection:
            connection.execute(insert(Subject), self.subjects)
            writes.add_entries(connection, self.entries, self.versions, [])


def terms() -> Iterator[dict[str, Any]]:
    """Return the dated facts of an entry in every order, on a few days."""
    for starts, until, cap, exited, revoked, void in product(
        (0, 3), (None, 0, 2, 5), (None, 4), (None, 2, 4), (None, 2, 6), (False, True)
    ):
        numbers = {
            "effective_until": until,
            "cap_ends_on": cap,
            "exited_on": exited,
            "revoked_on": revoked,
        }
        days = {name: None if number is None else day(number) for name, number in numbers.items()}
        yield {"effective_from": day(starts), "void": void, **days}


def read(
    connection: Connection, on: date, seq: int | None, *more: Any
) -> list[tuple[EntryRow, tuple[Any, ...]]]:
    """Read rows as of a day, each with further expressions from the same statement."""
    query = reads.select_entries_as_of(on, seq).add_columns(*more)
    width = len(EntryRow._fields)
    return [(EntryRow._make(row[:width]), tuple(row[width:])) for row in connection.execute(query)]


def blacks_by_subject(rows: Rows) -> dict[UUID, list[Term]]:
    found: dict[UUID, list[Term]] = {}
    for version in rows.versions:
        if version["kind"] == BLACK and version["superseded_seq"] is None:
            names = ("effective_from", "effective_until", "cap_ends_on", "exited_on", "revoked_on")
            term = Term(**{name: version[name] for name in names}, void=version["void"])
            found.setdefault(version["subject_id"], []).append(term)
    return found


def held_equal(world: World, rows: Rows, days: range) -> None:
    """Require that the SQL and the rule give the same status for every row on every day."""
    blacks = blacks_by_subject(rows)
    with world.registry.database.reading() as connection:
        for on in map(day, days):
            found = read(
                connection,
                on,
                None,
                reads.build_status_expression(on),
                reads.is_not_ended_on(EntryVersion, on),
                reads.is_in_effect_on(EntryVersion, on),
            )
            assert len(found) == len(rows.entries)
            for row, (in_sql, not_ended, running) in found:
                kind = ListKind(row.kind)
                black_active = any(
                    compute_status(term, BLACK, on, has_active_black_entry=False) is Status.active
                    for term in blacks.get(row.subject_id, ())
                )
                expected = compute_status(row.term, kind, on, has_active_black_entry=black_active)
                assert in_sql == expected, (row.term, kind, on)
                assert row.compute_status(on) is expected, (row.term, kind, on)
                assert bool(row.black_active) is (kind is RED and black_active)
                assert bool(not_ended) is (expected not in ENDED_STATUSES), (row.term, on)
                assert bool(running) is (expected in {Status.active, Status.suspended})


def test_sql_gives_the_same_status_for_every_order_of_facts(world: World) -> None:
    rows = Rows()
    for kind, term in product(ListKind, terms()):
        rows.add(rows.subject(), kind, **term)
    rows.write(world)
    held_equal(world, rows, range(-1, 8))


def test_a_black_entry_suspends_in_sql_while_it_is_active(
    world: World,
) -> None:
    rows = Rows()
    for term in terms():
        subject_id = rows.subject()
        rows.add(subject_id, BLACK, **term)
        rows.add(subject_id, RED, effective_from=day(1), effective_until=day(5))
        rows.add(subject_id, RECORD)
    rows.write(world)
    held_equal(world, rows, range(-1, 8))


def test_sql_suspends_a_red_entry_as_the_rule_does(
    world: World,
) -> None:
    rows = Rows()
    beside: list[list[dict[str, Any]]] = [
        [{"effective_from": day(1), "effective_until": day(3)}],
        [{"effective_from": day(2), "exited_on": day(4)}],
        [{"effective_from": day(-9), "void": True}],
        [
            {"effective_from": day(-9), "effective_until": day(0)},
            {"effective_from": day(5), "revoked_on": day(6)},
        ],
    ]
    for term, blacks in product(terms(), beside):
        subject_id = rows.subject()
        rows.add(subject_id, RED, **term)
        for black in blacks:
            rows.add(subject_id, BLACK, **black)
    rows.write(world)
    held_equal(world, rows, range(-1, 8))


def test_sql_hides_a_suspended_entry_from_subscribers_as_the_rule_does(world: World) -> None:
    """Every pair of black entries, of any class and term, beside a red entry of any class."""
    rows = Rows()
    blacks = [
        {"effective_from": day(first), "effective_until": day(last), "disclosure_class": class_}
        for class_, (first, last) in product(DisclosureClass, [(0, 2), (2, 4)])
    ] + [{"effective_from": day(0), "void": True}]
    for class_, starts, one, other in product(DisclosureClass, (0, 3), blacks, blacks):
        subject_id = rows.subject()
        rows.add(subject_id, RED, effective_from=day(starts), disclosure_class=class_)
        rows.add(subject_id, BLACK, **one)
        rows.add(subject_id, BLACK, **other)
    rows.write(world)
    callers = {role: Caller(None, role, role) for role in (Role.subscriber, Role.auditor)}
    hidden_count = 0
    with world.registry.database.reading() as connection:
        for on, seq in product(map(day, range(-1, 7)), (None, len(rows.versions) // 2)):
            visible = [reads.is_visible_to(caller, on, seq) for caller in callers.values()]
            found = read(connection, on, seq, *visible)
            by_subject: dict[UUID, list[EntryRow]] = {}
            for row, _ in found:
                by_subject.setdefault(row.subject_id, []).append(row)
            for row, in_sql in found:
                suspension = determine_suspension(
                    other.disclosure_class_enum
                    for other in by_subject[row.subject_id]
                    if other.kind == BLACK and other.compute_status(on) is Status.active
                )
                if row.kind == RED:
                    assert bool(row.black_active) is (suspension is not Suspension.none)
                    assert bool(row.public_black_active) is (suspension is Suspension.public)
                for caller, is_visible in zip(callers.values(), in_sql, strict=True):
                    access_level = row.determine_access_level(caller, on)
                    assert bool(is_visible) is (access_level is AccessLevel.full), (row, on, seq)
                is_public = row.disclosure_class_enum is DisclosureClass.public
                is_suspended = row.compute_status(on) is Status.suspended
                hidden_count += is_public and is_suspended and suspension is Suspension.hidden
    assert hidden_count > 0


# --- earlier states ------------------------------------------------------


def test_rows_at_a_sequence_number_are_the_newest_versions(world: World) -> None:
    rows = Rows()
    one, other = rows.subject(), rows.subject()
    entries = [
        rows.entry(one, RED),
        rows.entry(one, BLACK),
        rows.entry(other, RED),
        rows.entry(other, BLACK),
    ]
    written = [0, 2, 1, 1, 3, 0, 3, 2, 1, 3, 0, 1]
    for position, number in enumerate(written):
        rows.version(
            entries[number],
            again=True,
            effective_from=day(position % 3),
            effective_until=day(4 + position % 4),
            exited_on=day(5) if position % 5 == 4 else None,
            void=position == 8,
        )
    rows.write(world)
    days = [day(number) for number in range(-1, 9)]
    with world.registry.database.reading() as connection:
        for seq, on in product([*range(len(written) + 2), None], days):
            known = [v for v in rows.versions if seq is None or v["seq"] <= seq]
            newest = {version["entry_id"]: version for version in known}
            found = read(connection, on, seq, reads.build_status_expression(on, seq))
            assert {row.id: row.seq for row, _ in found} == {
                entry_id: version["seq"] for entry_id, version in newest.items()
            }
            terms_by_id = {row.id: row.term for row, _ in found}
            for row, (in_sql,) in found:
                black_active = any(
                    compute_status(terms_by_id[neighbour], BLACK, on, has_active_black_entry=False)
                    is Status.active
                    for neighbour, version in newest.items()
                    if version["kind"] == BLACK and version["subject_id"] == row.subject_id
                )
                expected = compute_status(
                    row.term, ListKind(row.kind), on, has_active_black_entry=black_active
                )
                assert in_sql == expected == row.compute_status(on), (seq, on)


# --- the duty to publish -------------------------------------------------

DEADLINES = (date(2026, 9, 29), date(2026, 10, 9), date(2026, 10, 12))
"""Before the October holiday, and around the worked Saturday after it."""
DUTY_DAYS = [date(2026, 9, 24) + timedelta(days=number) for number in range(24)]


def endings(deadline: date) -> Iterator[dict[str, Any]]:
    """Return no end, or one or two of the facts that end an entry, around its deadline."""
    before, on_it, after = (deadline + timedelta(days=number) for number in (-1, 0, 1))
    yield {}
    for name, on in product(
        ("effective_until", "cap_ends_on", "exited_on", "revoked_on"), (before, on_it, after)
    ):
        yield {name: on}
    yield {"exited_on": before, "revoked_on": after}
    yield {"exited_on": after, "revoked_on": before}
    yield {"exited_on": after, "effective_until": before}
    yield {"cap_ends_on": before, "effective_until": after}
    yield {"revoked_on": after, "cap_ends_on": after}


def channels_published(deadline: date) -> Iterator[dict[Channel, ChannelPublication]]:
    """Return publications: none, some, in time, late, by grace, and withdrawn again."""
    late = deadline + timedelta(days=1)
    in_time = deadline - timedelta(days=2)
    not_required = ChannelPublication(required=False)

    def publication(
        on: date | None, by: date = deadline, withdrawn: date | None = None
    ) -> ChannelPublication:
        judged = None if on is None else by
        return ChannelPublication(
            required=True, published_on=on, applicable_deadline=judged, withdrawn_on=withdrawn
        )

    for site, city in (
        (publication(None), publication(None)),
        (publication(in_time), publication(None)),
        (publication(in_time), publication(deadline)),
        (publication(in_time), publication(late)),
        (publication(late, by=late), publication(in_time)),
        (publication(in_time, withdrawn=deadline), publication(in_time)),
    ):
        yield dict(zip(Channel, (site, city, not_required), strict=True))


def calendar_of(world: World) -> Calendar:
    with world.registry.database.reading() as connection:
        return read_current_calendar(world.registry, connection)


def test_sql_rule_and_view_agree_on_the_duty_to_publish(world: World) -> None:
    rows = Rows()
    for deadline, kept, void in product(DEADLINES, DisclosureClass, (False, True)):
        for ends, channels in product(endings(deadline), channels_published(deadline)):
            term = Term(effective_from=date(2026, 9, 1), void=void, **ends)
            done = compute_fulfilment(channels, term.ends_on)
            rows.add(
                rows.subject(),
                RECORD,
                disclosure_class=kept.value,
                deadline=deadline,
                void=void,
                effective_from=date(2026, 9, 1),
                channels=serialize_channels(channels),
                published_on=done.published_on,
                published_late=done.published_late,
                **ends,
            )
    rows.write(world)
    calendar = calendar_of(world)
    seen: set[DisclosureState] = set()
    with world.registry.database.reading() as connection:
        for on in DUTY_DAYS:
            found = read(connection, on, None, build_disclosure_state_expression(on, calendar))
            assert len(found) == len(rows.entries)
            for row, (in_sql,) in found:
                by_rule = compute_disclosure_state(
                    disclosure_class=row.disclosure_class_enum,
                    deadline=row.deadline,
                    fulfilment=compute_fulfilment(row.publications, row.term.ends_on),
                    ended_on=row.term.ends_on,
                    void=row.void,
                    day=on,
                    calendar=calendar,
                )
                assert in_sql == by_rule, (row, on)
                seen.add(by_rule)
    assert seen == set(DisclosureState)


def test_the_view_shows_the_worst_of_its_channels(world: World) -> None:
    rows = Rows()
    for deadline in DEADLINES:
        for ends, channels in product(endings(deadline), channels_published(deadline)):
            done = compute_fulfilment(
                channels, Term(effective_from=date(2026, 9, 1), **ends).ends_on
            )
            rows.add(
                rows.subject(),
                RECORD,
                deadline=deadline,
                effective_from=date(2026, 9, 1),
                channels=serialize_channels(channels),
                published_on=done.published_on,
                published_late=done.published_late,
                **ends,
            )
    rows.write(world)
    calendar = calendar_of(world)
    order = list(DisclosureState)
    with world.registry.database.reading() as connection:
        for on in DUTY_DAYS[::3]:
            for row, (in_sql,) in read(
                connection, on, None, build_disclosure_state_expression(on, calendar)
            ):
                view = build_disclosure_view(row, row.term, on, calendar)
                assert view["state"] == in_sql
                states = [item["state"] for item in view["channels"]]
                assert max(states, key=order.index) == view["state"], (row, on)
