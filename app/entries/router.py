"""Pushing, reading and changing entries."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response, status

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_calendar_at, read_current_calendar
from app.db.engines import Connection
from app.entries import projections, schemas, store
from app.entries.changes import amendments
from app.entries.changes.status_changes import turn_to_today
from app.entries.recording import batch
from app.entries.store import EntryRow
from app.http.deps import WRITE_SLOT, RegistryDep, needs
from app.http.problems import problems
from app.http.schemas import (
    Day,
    Instant,
    make_cursor,
    read_id_cursor,
    read_version,
    require_one_moment,
)
from app.registry import Registry, law_known_at
from app.rules.calendar import Calendar
from app.rules.law import ListKind
from app.rules.permissions import Caller, Permission
from app.rules.status import Status
from app.rules.visibility import AccessLevel

router = APIRouter(prefix="/v1/entries", tags=["Entries"], responses=problems())

Reader = Annotated[Caller, needs(Permission.entry_read)]
Writer = Annotated[Caller, needs(Permission.entry_write)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The version changed, as ETag gave it: `"3"`',
        examples=['"1"'],
    ),
]
Code = Annotated[str | None, Query(max_length=80)]

RECORDING = problems(
    errors.NotYourList,
    errors.NotYourDepartment,
    errors.EntryConflict,
    errors.IdentifierConflict,
    errors.SubjectKindConflict,
    errors.SubjectKindNotAllowed,
    errors.BlacklistedSubject,
    errors.MinorSubject,
    errors.SealedRecord,
    errors.ListTypeNotInForce,
    errors.TermNotAllowed,
    errors.PublicationNotAllowed,
    errors.Busy,
)
CHANGING = problems(
    errors.BadVersionTag,
    errors.EntryNotFound,
    errors.StaleVersion,
    errors.VersionRequired,
    errors.TransitionRefused,
    errors.Busy,
)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses={
        200: {"model": schemas.EntryView, "description": "The very same was recorded before"},
        **RECORDING,
    },
)
def push_entry(
    push: schemas.EntryPush, caller: Writer, registry: RegistryDep, response: Response
) -> dict[str, Any]:
    """Record a decision: a red or black entry, a licence or a penalty.

    Idempotent by (department, source_ref): the same body again answers 200 with today's view.
    """
    recorded = batch.record(registry, caller, push)
    if recorded.replayed:
        response.status_code = status.HTTP_200_OK
        audit.record_access(registry, caller, AuditAction.entry_replayed, recorded.entry_id)
    response.headers["Location"] = f"/v1/entries/{recorded.entry_id}"
    return present(registry, caller, recorded.entry_id, response, changed=True)


@router.get("", responses=problems(errors.BadCursor))
def list_entries(
    caller: Reader,
    registry: RegistryDep,
    source_ref: Code = None,
    list_type: Code = None,
    domain: Code = None,
    department: Code = None,
    entry_status: Annotated[Status | None, Query(alias="status")] = None,
    subject_id: UUID | None = None,
    on: Annotated[Day | None, Query(description="Auditors and operators: as of that day")] = None,
    known_at: Annotated[
        Instant | None, Query(description="Auditors and operators: as known at that instant")
    ] = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.EntryPage:
    """Entries by page, oldest first; a department sees its own."""
    asked = {
        "source_ref": source_ref,
        "list_type": list_type,
        "domain": domain,
        "department": department,
        "subject_id": subject_id,
    }
    filters = {name: value for name, value in asked.items() if value is not None}
    if (on or known_at) and not caller.has_oversight:
        raise errors.Forbidden
    day = on or registry.clock.today()
    with registry.database.reading() as connection:
        seq = None if known_at is None else store.seq_known_at(connection, known_at)
        rows = store.page(
            connection,
            day,
            after=read_id_cursor(next_),
            limit=limit + 1,
            filters=filters,
            caller=caller,
            statuses=[entry_status] if entry_status else [],
            seq=seq,
        )
        shown, more = rows[:limit], len(rows) > limit
        calendar = _calendar_of(registry, connection, known_at)
        found = _views(connection, shown, day, calendar, caller, seq)
    audit.record_access(
        registry,
        caller,
        AuditAction.entries_listed,
        status=entry_status,
        **{name: str(value) for name, value in filters.items()},
    )
    return schemas.EntryPage.model_validate(
        {"entries": found, "next": make_cursor(shown[-1].id) if more else None}
    )


@router.get(
    "/{entry_id}", response_model=schemas.EntryView, responses=problems(errors.EntryNotFound)
)
def show_entry(
    entry_id: UUID,
    caller: Reader,
    registry: RegistryDep,
    response: Response,
    on: Annotated[Day | None, Query(description="Auditors and operators: as of that day")] = None,
    known_at: Annotated[
        Instant | None, Query(description="Auditors and operators: as known at that instant")
    ] = None,
    known_seq: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> dict[str, Any]:
    """One entry as it stands today, or stood for the registry's knowledge of another day."""
    past = any(value is not None for value in (on, known_at, known_seq))
    if past and not caller.has_oversight:
        raise errors.Forbidden
    require_one_moment(known_at, known_seq, "?known_seq")
    view = present(
        registry, caller, entry_id, response, on=on, known_at=known_at, known_seq=known_seq
    )
    audit.record_access(
        registry,
        caller,
        AuditAction.entry_read,
        entry_id,
        **({"on": on, "known_at": known_at, "known_seq": known_seq} if past else {}),
    )
    return view


@router.get("/{entry_id}/history", responses=problems(errors.EntryNotFound))
def show_history(entry_id: UUID, caller: Reader, registry: RegistryDep) -> schemas.History:
    """Every version of an entry: who made it, when, why, and what it changed."""
    today = registry.clock.today()
    turn_to_today(registry)  # so that the last day's doing is told as well
    with registry.database.reading() as connection:
        rows = store.versions(connection, entry_id, today)
        turns = store.turns_of(connection, entry_id)
        causes = store.current(
            connection, [turn.cause_entry_id for turn in turns if turn.cause_entry_id], today
        )
        calendar = read_current_calendar(registry, connection)
    if not rows or not sees_whole(caller, rows[-1], today):
        raise errors.EntryNotFound
    audit.record_access(registry, caller, AuditAction.history_read, entry_id)
    shown: list[dict[str, Any]] = [projections.entry_view(row, today, calendar) for row in rows]
    before: list[dict[str, Any] | None] = [None, *shown[:-1]]
    return schemas.History(
        entry_id=entry_id,
        versions=[
            schemas.VersionView(
                version=row.version,
                seq=row.seq,
                recorded_at=row.recorded_at,
                action=row.action,
                actor=row.actor_name,
                reason=row.change_reason,
                changes=[
                    schemas.FieldChange(**change)
                    for change in projections.changes_between(old, new)
                ],
            )
            for row, old, new in zip(rows, before, shown, strict=True)
        ],
        turns=[
            schemas.TurnView(
                seq=turn.seq,
                recorded_at=turn.recorded_at,
                day=turn.day,
                status=Status(turn.status),
                because=_because(turn),
                entry_id=turn.cause_entry_id
                if turn.cause_entry_id in causes
                and sees_whole(caller, causes[turn.cause_entry_id], today)
                else None,
            )
            for turn in turns
        ],
    )


def _because(turn: store.TurnRow) -> str:
    if turn.cause_entry_id is None:
        return "day"
    return "black_entry_active" if turn.status == Status.suspended else "no_black_entry_active"


@router.post(
    "/{entry_id}/corrections",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING | problems(errors.SubjectFixed, errors.BlacklistedSubject),
)
def correct_entry(
    entry_id: UUID,
    order: schemas.Correction,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replace wrong facts; the recorded ones stay in the history."""
    amendments.correct(registry, caller, entry_id, order, read_version(if_match))
    return present(registry, caller, entry_id, response, changed=True)


@router.post(
    "/{entry_id}/revocations",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING,
)
def revoke_entry(
    entry_id: UUID,
    order: schemas.Revocation,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Take an entry back because its decision was revoked, or named the wrong subject."""
    amendments.revoke(registry, caller, entry_id, order, read_version(if_match))
    return present(registry, caller, entry_id, response, changed=True)


@router.post(
    "/{entry_id}/exits",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING,
)
def exit_entry(
    entry_id: UUID,
    order: schemas.Exit,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """End an entry before its term does."""
    amendments.exit_early(registry, caller, entry_id, order, read_version(if_match))
    return present(registry, caller, entry_id, response, changed=True)


@router.post(
    "/{entry_id}/extensions",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING | problems(errors.TermNotAllowed),
)
def extend_entry(
    entry_id: UUID,
    order: schemas.Extension,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Lengthen a running term by a further decision, where the list type allows it, once."""
    amendments.extend(registry, caller, entry_id, order, read_version(if_match))
    return present(registry, caller, entry_id, response, changed=True)


def present(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    response: Response,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
    changed: bool = False,
) -> dict[str, Any]:
    """The entry's view; who just changed it sees the result, even where that seals it."""
    today = registry.clock.today()
    day = on or today
    with registry.database.reading() as connection:
        seq = known_seq
        if known_at is not None:
            seq = store.seq_known_at(connection, known_at)
        elif known_seq is not None:
            known_at = store.instant_of(connection, known_seq)
        row = store.get(connection, entry_id, day, seq)
        if row is None:
            raise errors.EntryNotFound
        now = store.get(connection, entry_id, today) or row
        own_change = changed and caller.acts_for(now.department)
        if not own_change and not sees_whole(caller, now, today):
            raise errors.EntryNotFound
        calendar = _calendar_of(registry, connection, known_at)
        [view] = _views(connection, [row], day, calendar, caller, seq)
    if now.void and not caller.can_read_sealed:
        view = projections.sealed(view)  # its department still takes it down, by the channels
    response.headers["ETag"] = f'"{row.version}"'
    return view


def _calendar_of(registry: Registry, connection: Connection, known_at: datetime | None) -> Calendar:
    """What a past view says of what was due, it says by the calendar known then."""
    if known_at is None:
        return read_current_calendar(registry, connection)
    return read_calendar_at(registry, connection, law_known_at(connection, known_at)[1])


def sees_whole(caller: Caller, row: EntryRow, day: date) -> bool:
    """Tell whether an entry is the caller's to read whole, with its history and its cases."""
    own = caller.has_oversight or caller.acts_for(row.department)
    return row.sight(caller, day) is AccessLevel.full and own


def _views(
    connection: Connection,
    rows: list[EntryRow],
    day: date,
    calendar: Calendar,
    caller: Caller,
    seq: int | None = None,
) -> list[dict[str, Any]]:
    blacks = {row.subject_id for row in rows if row.kind == ListKind.black}
    neighbours = store.neighbours(connection, blacks, seq)
    return [
        projections.entry_view(
            row,
            day,
            calendar,
            projections.effects_of(row, day, neighbours.get(row.subject_id, ()), caller),
        )
        for row in rows
    ]
