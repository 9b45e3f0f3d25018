"""Synthetic data to try things on, told to the registry as departments would over 18 months.

Everything passes the real rules: decisions go through `record_all`, exits and revocations through
their actions, publications through `publish_all`. Only the clock is set back, and goes from one
working day to the next up to now.
"""

import gc
import json
import os
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, groupby
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from app import synthetic
from app.access import actions as access
from app.access.store import find as find_caller
from app.audit import store as audit
from app.catalogue.store import Law, current_calendar, current_catalogue, read_law
from app.clock import SHANGHAI, Clock
from app.crypto import KeyFileError, fingerprint
from app.disclosure.schemas import Publication
from app.entries import store
from app.entries.actions import exit_early, require_within, revoke
from app.entries.columns import channel_values
from app.entries.recording import record_all
from app.entries.schemas import EntryPush, Exit, Revocation, RevocationCode
from app.entries.store import EntryRow
from app.errors import AlreadyPublished, EntryNotFound, PublicationNotAllowed, RegistryError
from app.registry import Registry, read_head, take_sequence
from app.rules.calendar import DISCLOSURE_WORKING_DAYS, Calendar
from app.rules.disclosure import Publication as Published
from app.rules.disclosure import channels_for
from app.rules.identifiers import Scheme
from app.rules.law import Catalogue, DisclosureClass, ListKind, ListType, Severity, SubjectKind
from app.rules.permissions import COMMAND_LINE, DEPARTMENTAL, Caller, Role
from app.rules.status import ENDED, Status
from app.rules.transitions import Action, require
from app.subjects.store import lock as lock_subjects
from app.tables import Entry, EntryVersion

BATCH = 500
HISTORY = timedelta(days=548)
BEFORE = timedelta(days=120)  # the first decisions were taken before the first report
LATEST = 8  # working days that are told about day by day, for what is still to be published
EVERY = 5  # of the days before, every fifth one; large batches are faster
SHARE_LATEST, SHARE_REPORTED_LATE, SHARE_RENAMED, SHARE_ENDED = 0.06, 0.07, 0.2, 0.02
SHARE_EXITED = 0.6  # of those that end early; the others are revoked
LATE = (DISCLOSURE_WORKING_DAYS + 1, 40)

KINDS = {
    SubjectKind.legal_person: 60,
    SubjectKind.individual_business: 18,
    SubjectKind.natural_person: 15,
    SubjectKind.unincorporated_organization: 7,
}
ENTRIES = {1: 78, 2: 15, 3: 5, 5: 2}
ENDINGS = {"penalty": 42, "licence": 35, "black": 15, "red": 8}
FIRST = (1, "wage_arrears.black")  # so that there is a black one however small the load
FALLEN_EVERY, FALLEN = 80, 2  # every 80th subject is red first and black later

ADDRESS = "http://127.0.0.1:{}"
APPROVERS = ("public_resources", "finance_bureau")


class PastClock(Clock):
    """Tells the day that the load has come to; each question takes a second, and now is the end."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self._instant = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """An instant of that day, and never one that has not come yet."""
        self._instant += timedelta(seconds=1)
        return min(self._instant, self._real.now())

    def move_to(self, day: date) -> None:
        """Nine in the morning of a day, in Shanghai."""
        self._instant = datetime(day.year, day.month, day.day, 9, tzinfo=SHANGHAI).astimezone(UTC)


def load(registry: Registry, *, subjects: int, seed: int) -> int:
    """Fill an empty registry; return how many entries were recorded.

    One that has entries is left as it is, so this may be called at every start.
    """
    began = time.monotonic()
    with registry.database.reading() as connection:
        head = read_head(connection)
        catalogue = current_catalogue(registry, connection)
        calendar = current_calendar(registry, connection)
    if head.seq > 0:
        _say(f"demo: the registry holds data already (seq {head.seq}), nothing loaded\n")
        return 0
    real = registry.clock
    rng, days = Random(seed), _working_days(calendar, real.today())  # noqa: S311 - no secrets
    clock = registry.clock = PastClock(real)
    loader = _Loader(registry, clock, rng, days)
    planned = _Plan(rng, days, catalogue).decisions(subjects)
    gc.freeze()  # the plan lives to the end: walking it again and again costs a tenth of the time
    try:
        loader.run(planned)
    finally:
        registry.clock = real
        gc.unfreeze()
    over = "\r" if sys.stderr.isatty() else ""
    _say(f"{over}{loader.counts} in {time.monotonic() - began:.1f} s\n")
    return loader.recorded


def _working_days(calendar: Calendar, today: date) -> list[date]:
    """The working days of the history and of the time before it, then today, whatever it is."""
    span = (HISTORY + BEFORE).days
    past = (today - timedelta(days=back) for back in range(span, 0, -1))
    return [*filter(calendar.is_working_day, past), today]


def _told(place: int, today: int) -> int:
    """The next day, from a place in the row of days on, on which the registry is told anything."""
    return place if place >= today - LATEST else min(-(-place // EVERY) * EVERY, today - LATEST)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


# --- what is told --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """A decision; its days are places in the row of working days."""

    received: int
    decided: int
    serial: int
    department: str
    list_type: ListType
    subject: synthetic.Party
    formerly: bool

    def push(self, rng: Random, days: Sequence[date]) -> EntryPush:
        """As its department sends it."""
        body = synthetic.decision(
            rng, self.list_type, self.subject, self.serial, days[self.decided]
        )
        body["subject"] = self.subject.facts(formerly=self.formerly)
        return EntryPush.model_validate({**body, "department": self.department})


class _Plan:
    """Who decides what about whom, and when the registry hears of it."""

    def __init__(self, rng: Random, days: Sequence[date], catalogue: Catalogue) -> None:
        self._rng = rng
        self._days = days
        self._issuers: dict[str, list[str]] = {}
        self._by_ending: dict[str, list[ListType]] = {ending: [] for ending in ENDINGS}
        # In force, and with an issuer, from the first day to the last.
        ends = (days[0], days[-1])
        for item in catalogue.list_types.values():
            issuers = [
                body.code
                for body in catalogue.departments.values()
                if catalogue.may_issue(body, item) and all(map(body.holds_on, ends))
            ]
            if issuers and all(map(item.applies_on, ends)):
                self._issuers[item.code] = issuers
                self._by_ending[item.code.partition(".")[2]].append(item)
        # In turn, so that no domain is left out.
        self._turns = {ending: cycle(items) for ending, items in self._by_ending.items() if items}

    def decisions(self, subjects: int) -> list[Planned]:
        """Every decision, in the order in which the registry hears of it."""
        rng, planned = self._rng, list[Planned]()
        for serial in range(1, subjects + 1):
            kind, list_types = self._list_types(serial)
            numbered = any(item.requires_identifier for item in list_types)
            subject = synthetic.party(serial, kind, numbered=numbered)
            renamed = numbered and len(list_types) > 1 and rng.random() < SHARE_RENAMED
            for day, list_type in zip(self._received(list_types), list_types, strict=True):
                late = rng.random() < SHARE_REPORTED_LATE
                planned.append(
                    Planned(
                        received=day,
                        decided=day - (rng.randint(*LATE) if late else rng.randint(0, 5)),
                        serial=len(planned) + 1,
                        department=rng.choice(self._issuers[list_type.code]),
                        list_type=list_type,
                        subject=subject,
                        formerly=renamed and list_type is list_types[0],
                    )
                )
        return sorted(planned, key=lambda item: (item.received, item.serial))

    def _list_types(self, serial: int) -> tuple[SubjectKind, list[ListType]]:
        if serial % FALLEN_EVERY == FALLEN and {"red", "black"} <= self._turns.keys():
            picked = [next(self._turns["red"]), next(self._turns["black"])]
            return SubjectKind.legal_person, picked
        if serial == FIRST[0] and FIRST[1] in self._issuers:
            [first] = [item for item in self._by_ending["black"] if item.code == FIRST[1]]
            return SubjectKind.legal_person, [first]
        [kind] = self._rng.choices([*KINDS], [*KINDS.values()])
        [count] = self._rng.choices([*ENTRIES], [*ENTRIES.values()])
        picked = [self._pick(kind) for _ in range(count)]
        # Whoever is on a black list is not put on a red one any more.
        return kind, sorted(picked, key=lambda item: item.kind is ListKind.black)

    def _pick(self, kind: SubjectKind) -> ListType:
        while True:
            [ending] = self._rng.choices([*ENDINGS], [*ENDINGS.values()])
            for _ in self._by_ending[ending]:
                item = next(self._turns[ending])
                if kind in item.subject_kinds:
                    return item

    def _received(self, list_types: Sequence[ListType]) -> list[int]:
        today = len(self._days) - 1
        rng = self._rng
        if [item.kind for item in list_types] == [ListKind.red, ListKind.black]:
            return [_told(today - rng.randint(*ago), today) for ago in ((100, 180), (10, 60))]
        first = next(
            place for place, day in enumerate(self._days) if day >= self._days[-1] - HISTORY
        )
        starts = [today - LATEST if rng.random() < SHARE_LATEST else first for _ in list_types]
        return sorted(_told(rng.randint(start, today), today) for start in starts)


# --- telling it ----------------------------------------------------------


@dataclass(slots=True)
class _Loader:
    """What is still to be told, by the place of the day on which it will be."""

    registry: Registry
    clock: PastClock
    rng: Random
    days: list[date]
    publications: dict[int, list[tuple[UUID, Publication]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    endings: dict[int, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    recorded: int = 0
    published: int = 0
    ended: int = 0

    @property
    def counts(self) -> str:
        """How far it is."""
        return (
            f"demo: {self.recorded} entries, {self.published} publications,"
            f" {self.ended} exits and revocations"
        )

    def run(self, planned: Sequence[Planned]) -> None:
        """Go through the days up to today; every batch is committed for itself."""
        received = {
            day: [*items] for day, items in groupby(planned, key=lambda item: item.received)
        }
        for place, day in enumerate(self.days):
            self.clock.move_to(day)
            for batch in _batches(received.pop(place, [])):
                self._record(batch)
            for orders in _batches(self.publications.pop(place, [])):
                publish_all(self.registry, COMMAND_LINE, orders)
                self.published += len(orders)
            for entry_id in self.endings.pop(place, []):
                self._end(entry_id, day)
            if sys.stderr.isatty():
                _say(f"\r{self.counts}")

    def _told(self, place: int) -> int:
        return _told(place, len(self.days) - 1)

    def _record(self, batch: Sequence[Planned]) -> None:
        pushes = [item.push(self.rng, self.days) for item in batch]
        outcomes = record_all(self.registry, COMMAND_LINE, pushes)
        for item, push, outcome in zip(batch, pushes, outcomes, strict=True):
            if isinstance(outcome, RegistryError):
                raise outcome
            self.recorded += 1
            settled = self._announce(item, push, outcome.entry_id)
            if push.effective_until is None and self.rng.random() < SHARE_ENDED:
                self.endings[self._told(settled + self.rng.randint(5, 120))].append(
                    outcome.entry_id
                )

    def _announce(self, item: Planned, push: EntryPush, entry_id: UUID) -> int:
        """Put the publications on the days on which they will be told; give the last of them."""
        settled = item.received
        if not _is_public(push, item.list_type):
            return settled
        usccs = [item.number for item in push.subject.identifiers if item.scheme is Scheme.uscc]
        channels = [channel for channel, duty in channels_for(usccs).items() if duty.required]
        [story] = self.rng.choices(("on_time", "late", "partial", "never"), (80, 9, 6, 5))
        for channel in {"partial": channels[:1], "never": []}.get(story, channels):
            late = story == "late" and channel is channels[0]
            published = item.decided + self.rng.randint(
                *(LATE if late else (1, DISCLOSURE_WORKING_DAYS))
            )
            settled = max(settled, published)
            if published < len(self.days):
                order = Publication(
                    channel=channel,
                    published_on=self.days[published],
                    url=f"https://example.org/{channel}/{item.serial}",
                )
                self.publications[self._told(max(item.received, published))].append(
                    (entry_id, order)
                )
        return settled

    def _end(self, entry_id: UUID, today: date) -> None:
        with self.registry.database.reading() as connection:
            row = store.get(connection, entry_id, today)
        if row is None or row.status(today) in ENDED:
            return
        self.ended += 1
        if self.rng.random() < SHARE_EXITED:
            left = Exit(reason="示例:依法提前移出", exited_on=today)
            exit_early(self.registry, COMMAND_LINE, entry_id, left, row.version)
        else:
            [code] = self.rng.choices([*RevocationCode], (70, 20, 10))
            order = Revocation(reason="示例:原决定撤销", reason_code=code, revoked_on=today)
            revoke(self.registry, COMMAND_LINE, entry_id, order, row.version)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _is_public(push: EntryPush, list_type: ListType) -> bool:
    if push.disclosure is not None:
        return push.disclosure.class_ is DisclosureClass.public
    personal = push.subject.kind is SubjectKind.natural_person
    barred = personal and not list_type.publishes_natural_persons
    return list_type.default_disclosure is DisclosureClass.public and not barred


# --- many publications in one transaction ---------------------------------


SUPERSEDE = (
    update(EntryVersion)
    .where(EntryVersion.entry_id == bindparam("entry"), EntryVersion.version == bindparam("known"))
    .values(superseded_seq=bindparam("next"))
)


def publish_all(
    registry: Registry, caller: Caller, orders: Sequence[tuple[UUID, Publication]]
) -> None:
    """Record publications in one transaction, each a version of its own; all of them or none.

    Raises:
        RegistryError: what stands against one of them (see `app.disclosure.actions.publish`).
    """

    def work(connection: Connection) -> None:
        law = read_law(registry, connection)
        rows = _lock_all(connection, {entry_id for entry_id, _ in orders}, law.today)
        made = []
        for entry_id, order in orders:
            row = rows.get(entry_id)
            if row is None or row.void or not caller.acts_for(row.department):
                raise EntryNotFound
            values = _published(row, order, law)
            made.append((row, order, values))
            rows[entry_id] = row._replace(version=row.version + 1, **values)
        _append_all(registry, connection, caller, law, made)

    registry.write(work)


def _lock_all(connection: Connection, ids: set[UUID], day: date) -> dict[UUID, EntryRow]:
    lock_subjects(connection, connection.scalars(select(Entry.subject_id).where(Entry.id.in_(ids))))
    rows = store.fetch(connection, store.rows_as_of(day).where(Entry.id.in_(ids)))
    return {row.id: row for row in rows}


def _published(row: EntryRow, order: Publication, law: Law) -> dict[str, Any]:
    """The columns that differ once the order is carried out."""
    if row.disclosure is not DisclosureClass.public:
        raise PublicationNotAllowed
    require_within(order.published_on, row.decided_on, law.today, "/published_on")
    # Read for today; but active and suspended, which alone may differ on that day, both pass.
    require(Action.publish, row.status(order.published_on))
    channels = dict(row.publications)
    known = channels[order.channel]
    if known.published_on is not None and known.withdrawn_on is None:
        raise AlreadyPublished
    channels[order.channel] = Published(
        required=known.required,
        published_on=order.published_on,
        url=order.url,
        recorded_at=law.at.isoformat().replace("+00:00", "Z"),
        judged_by=row.deadline,
    )
    return channel_values(channels, row.term)


def _append_all(
    registry: Registry,
    connection: Connection,
    caller: Caller,
    law: Law,
    made: Sequence[tuple[EntryRow, Publication, dict[str, Any]]],
) -> None:
    first = take_sequence(
        connection,
        len(made),
        catalogue_version=law.catalogue_version,
        calendar_version=law.calendar_version,
    )
    at = registry.clock.now()
    newest: dict[UUID, dict[str, Any]] = {}
    versions, records, superseded = [], [], []
    for seq, (row, order, values) in enumerate(made, start=first):
        if row.id in newest:
            newest[row.id]["superseded_seq"] = seq
        else:
            superseded.append({"entry": row.id, "known": row.version, "next": seq})
        version = row.version + 1
        newest[row.id] = store.version_values(row) | {
            **values,
            "version": version,
            "seq": seq,
            "superseded_seq": None,
            "action": Action.publish.value,
            "action_digest": fingerprint(
                {"action": Action.publish.value, **order.model_dump(mode="json")}
            ),
            "change_reason": None,
            "actor_id": caller.id,
            "actor_name": caller.name,
            "recorded_at": at,
        }
        versions.append(newest[row.id])
        record = audit.row(caller, at, "disclosure_recorded", "done", row.id, version=version)
        records.append(record | {"seq": seq})
    connection.execute(SUPERSEDE, superseded)
    store.add(connection, [], versions, [])
    audit.record_changes(connection, records)


# --- keys to try it with --------------------------------------------------


def show_keys(registry: Registry, keys_file: Path, port: int = 8000) -> None:
    """Print a key for each role and a first call; keys that work are kept from start to start.

    Raises:
        KeyFileError: the file can be read by others.
    """
    with registry.database.reading() as connection:
        catalogue = current_catalogue(registry, connection)
        kept = {
            role: key
            for role, key in _read_keys(keys_file).items()
            if (caller := find_caller(connection, access.key_hash(key))) and caller.role is role
        }
    approvers = [code for code in APPROVERS if code in catalogue.departments]
    departments = {
        Role.department: "human_resources",
        Role.approver: next(iter([*approvers, *catalogue.departments])),
    }
    keys = {
        role: kept.get(role)
        or access.create(registry, name=f"demo {role}", role=role, department=departments.get(role))
        for role in (*DEPARTMENTAL, *(role for role in Role if role not in DEPARTMENTAL))
    }
    if keys != kept:
        _write_keys(keys_file, keys)
    lines = [f"  {role:<11}{key}" for role, key in sorted(keys.items())]
    address = ADDRESS.format(port)
    block = [
        "",
        f"演示数据与密钥(每个角色一个,保存在 {keys_file}):",
        f"Demo keys, one per role, kept in {keys_file}:",
        *lines,
        f"地址 / Address: {address}   文档 / Docs: {address}/docs",
        *_first_call(registry, address, keys[Role.approver]),
        "",
    ]
    sys.stdout.write("\n".join(block) + "\n")
    sys.stdout.flush()


def _read_keys(keys_file: Path) -> dict[Role, str]:
    if not keys_file.exists():
        return {}
    if keys_file.stat().st_mode & 0o077:
        raise KeyFileError(f"{keys_file} can be read by others; set its mode to 0600")
    try:
        return {Role(role): str(key) for role, key in json.loads(keys_file.read_text()).items()}
    except (ValueError, AttributeError):
        return {}


def _write_keys(keys_file: Path, keys: dict[Role, str]) -> None:
    keys_file.parent.mkdir(parents=True, exist_ok=True)
    draft = keys_file.with_name(f".{keys_file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file, indent=2)
    draft.replace(keys_file)


def _first_call(registry: Registry, address: str, key: str) -> list[str]:
    """A check to paste, about somebody who really is on a black list."""
    with registry.database.reading() as connection:
        rows = store.page(
            connection,
            registry.clock.today(),
            after=None,
            limit=BATCH,
            filters={"list": ListKind.black.value},
            statuses=[Status.active],
        )
    # The serious ones first: from them most measures follow.
    for row in sorted(rows, key=lambda row: row.severity != Severity.serious):
        for item in row.facts["subject"].get("identifiers", []):
            if item["scheme"] == Scheme.uscc:
                body = {
                    "matter": "bidding",
                    "purpose": "demo qualification review",
                    "case_no": "DEMO-1",
                    "subjects": [{**item, "name": row.facts["subject"]["name"]}],
                }
                return [
                    "第一次核查(可直接粘贴) / A first check to paste:",
                    f"  curl -s {address}/v1/checks -H 'Authorization: Bearer {key}' \\",
                    "    -H 'Content-Type: application/json' \\",
                    f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
                ]
    return []
