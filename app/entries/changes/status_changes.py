"""Changes of status that no version of the entry makes: a day does, or another entry.

They are numbered like versions, so that whoever follows the changes learns of them, and the history
says why a red entry was suspended or came back. What an entry is on a day never depends on them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from app.db.engines import Connection
from app.entries import store
from app.entries.store import Neighbour
from app.registry import Registry, claim_day, read_head, take_sequence
from app.rules.law import ListKind
from app.rules.status import Status, Term, compute_status

BY_DAY = "day"
BY_ENTRY = "entry"


class Turn(NamedTuple):
    """An entry's new status, and what made it so."""

    entry_id: UUID
    status: Status
    cause: str
    cause_entry_id: UUID | None


def suspended_or_back(
    before: Iterable[Neighbour], after: Sequence[Neighbour], day: date
) -> list[Turn]:
    """What a change among a subject's entries does to its red ones on a day."""
    then, now = _active_blacks(before, day), _active_blacks(after, day)
    if bool(then) == bool(now):
        return []
    [cause, *_] = now or then
    return [
        Turn(item.entry_id, _red_status(item.term, day, black_active=bool(now)), BY_ENTRY, cause)
        for item in after
        if item.kind is ListKind.red
        and _red_status(item.term, day, black_active=False) is Status.active
    ]


def _active_blacks(neighbours: Iterable[Neighbour], day: date) -> list[UUID]:
    return [
        item.entry_id
        for item in neighbours
        if item.kind is ListKind.black
        and compute_status(item.term, ListKind.black, day, has_active_black_entry=False)
        is Status.active
    ]


def _red_status(term: Term, day: date, *, black_active: bool) -> Status:
    return compute_status(term, ListKind.red, day, has_active_black_entry=black_active)


def turn_to_today(registry: Registry) -> None:
    """Write down what the days since the last turn did to entries; once, whoever asks first.

    Changes begin with it as well as readings, for what a change does to other entries is judged
    against what was told of them last.

    The entries are read before the change begins: one that is changed meanwhile is announced by its
    own version as well, and either announcement leads to the same entry.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        since = read_head(connection).turned_on
    if since is not None and since >= today:
        return
    with registry.turning:  # the first of a day looks through all entries; the others wait for it
        _turn(registry, today)


def _turn(registry: Registry, today: date) -> None:
    with registry.database.reading() as connection:
        since = read_head(connection).turned_on
        if since is not None and since >= today:
            return
        turns = [] if since is None else _turns_between(connection, since, today)

    def work(connection: Connection) -> None:
        head = read_head(connection)
        if not claim_day(connection, since, today) or not turns:
            return  # another process was first, or nothing turned
        numbers = take_sequence(
            connection,
            len(turns),
            catalogue_version=head.catalogue_version,
            calendar_version=head.calendar_version,
            now=registry.clock.now(),
            today=today,
        )
        add(connection, turns, today, numbers.first, numbers.at)

    registry.write(work)


def add(
    connection: Connection,
    turns: Iterable[Turn],
    day: date,
    first: int,
    at: datetime,
) -> None:
    """Write turns down under the numbers that were taken for them, from `first` on."""
    store.add_turns(
        connection,
        [
            {**turn._asdict(), "seq": seq, "day": day, "recorded_at": at}
            for seq, turn in enumerate(turns, start=first)
        ],
    )


def _turns_between(connection: Connection, since: date, today: date) -> list[Turn]:
    crossing = store.crossing(connection, since, today)
    subjects = {item.subject_id for item in crossing if item.kind != ListKind.record}
    neighbours = store.neighbours(connection, subjects)
    turns = [
        Turn(item.entry_id, now, BY_DAY, None)
        for item in crossing
        if item.kind == ListKind.record
        for then, now in [_moved(item.term, ListKind.record, (since, today), (False, False))]
        if then is not now
    ]
    for others in neighbours.values():
        turns += _subject_turns(others, since, today)
    return turns


def _subject_turns(others: Sequence[Neighbour], since: date, today: date) -> Iterable[Turn]:
    then_black, now_black = _active_blacks(others, since), _active_blacks(others, today)
    suspended = (bool(then_black), bool(now_black))
    for item in others:
        then, now = _moved(item.term, item.kind, (since, today), suspended)
        if then is now:
            continue
        # Suspended, or back: the black entry that began or ended is why.
        by_black = Status.suspended in {then, now} and now in {Status.suspended, Status.active}
        cause = next(iter(now_black or then_black), None) if by_black else None
        yield Turn(item.entry_id, now, BY_DAY, cause)


def _moved(
    term: Term, kind: ListKind, days: tuple[date, date], black: tuple[bool, bool]
) -> tuple[Status, Status]:
    then, now = (
        compute_status(term, kind, day, has_active_black_entry=active)
        for day, active in zip(days, black, strict=True)
    )
    return then, now


def changed(neighbours: Iterable[Neighbour], terms: Mapping[UUID, Term]) -> list[Neighbour]:
    """Neighbours with the terms that a change gives some of them."""
    return [item._replace(term=terms.get(item.entry_id, item.term)) for item in neighbours]
