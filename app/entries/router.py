"""Pushing, reading and changing entries."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response, status

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_calendar_at, read_current_calendar
from app.db.counter import find_law_versions_at
from app.db.engines import Connection
from app.entries import projections, schemas, store
from app.entries.changes import amendments
from app.entries.changes.status_changes import record_status_changes_until_today
from app.entries.recording import batch
from app.entries.store import EntryRow
from app.http.conditional import read_version
from app.http.deps import WRITE_SLOT, RegistryDep, needs
from app.http.pagination import make_cursor, read_id_cursor, require_one_moment
from app.http.problems import problems
from app.http.schemas import Day, Instant
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.law import ListKind
from app.rules.permissions import Caller, Permission
from app.rules.status import Status
from app.rules.visibility import AccessLevel

router = APIRouter(prefix="/v1/entries", tags=["Entries"], responses=problems())

EntryReader = Annotated[Caller, needs(Permission.entry_read)]
EntryWriter = Annotated[Caller, needs(Permission.entry_write)]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The version changed, as ETag gave it: `"3"`',
        examples=['"1"'],
    ),
]
EntryFilterText = Annotated[str | None, Query(max_length=80)]

RECORDING_PROBLEMS = problems(
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
CHANGING_PROBLEMS = problems(
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
        **RECORDING_PROBLEMS,
    },
)
def push_entry(
    push: schemas.EntryPush, caller: EntryWriter, registry: RegistryDep, response: Response
) -> dict[str, Any]:
    """Record a decision: a red or black entry, a licence or a penalty.

    Idempotent by (department, source_ref): the same body again answers 200 with today's view.
    """
    recorded = batch.record_entry(registry, caller, push)
    if recorded.replayed:
        response.status_code = status.HTTP_200_OK
        audit.record_access(registry, caller, AuditAction.entry_replayed, recorded.entry_id)
    response.headers["Location"] = f"/v1/entries/{recorded.entry_id}"
    return build_entry_response(registry, caller, recorded.entry_id, response, is_own_change=True)


@router.get("", responses=problems(errors.BadCursor))
def list_entries(
    caller: EntryReader,
    registry: RegistryDep,
    source_ref: EntryFilterText = None,
    list_type: EntryFilterText = None,
    domain: EntryFilterText = None,
    department: EntryFilterText = None,
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
    given_filters = {
        "source_ref": source_ref,
        "list_type": list_type,
        "domain": domain,
        "department": department,
        "subject_id": subject_id,
    }
    filters = {name: value for name, value in given_filters.items() if value is not None}
    if (on or known_at) and not caller.has_oversight:
        raise errors.Forbidden
    day = on or registry.clock.today()
    with registry.database.reading() as connection:
        seq = None if known_at is None else store.find_seq_at(connection, known_at)
        rows = store.read_entry_page(
            connection,
            day,
            after=read_id_cursor(next_),
            limit=limit + 1,
            filters=filters,
            caller=caller,
            statuses=[entry_status] if entry_status else [],
            seq=seq,
        )
        page_rows, has_more = rows[:limit], len(rows) > limit
        calendar = _read_calendar_known_at(registry, connection, known_at)
        entry_views = _build_entry_views(connection, page_rows, day, calendar, caller, seq)
    audit.record_access(
        registry,
        caller,
        AuditAction.entries_listed,
        status=entry_status,
        **{name: str(value) for name, value in filters.items()},
    )
    return schemas.EntryPage.model_validate(
        {"entries": entry_views, "next": make_cursor(page_rows[-1].id) if has_more else None}
    )


@router.get(
    "/{entry_id}", response_model=schemas.EntryView, responses=problems(errors.EntryNotFound)
)
def show_entry(
    entry_id: UUID,
    caller: EntryReader,
    registry: RegistryDep,
    response: Response,
    on: Annotated[Day | None, Query(description="Auditors and operators: as of that day")] = None,
    known_at: Annotated[
        Instant | None, Query(description="Auditors and operators: as known at that instant")
    ] = None,
    known_seq: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> dict[str, Any]:
    """One entry as it stands today, or stood for the registry's knowledge of another day."""
    is_past_view = any(value is not None for value in (on, known_at, known_seq))
    if is_past_view and not caller.has_oversight:
        raise errors.Forbidden
    require_one_moment(known_at, known_seq, "?known_seq")
    view = build_entry_response(
        registry, caller, entry_id, response, on=on, known_at=known_at, known_seq=known_seq
    )
    audit.record_access(
        registry,
        caller,
        AuditAction.entry_read,
        entry_id,
        **({"on": on, "known_at": known_at, "known_seq": known_seq} if is_past_view else {}),
    )
    return view


@router.get("/{entry_id}/history", responses=problems(errors.EntryNotFound))
def show_history(entry_id: UUID, caller: EntryReader, registry: RegistryDep) -> schemas.History:
    """Every version of an entry: who made it, when, why, and what it changed."""
    today = registry.clock.today()
    record_status_changes_until_today(registry)  # so that the last day's doing is told as well
    with registry.database.reading() as connection:
        rows = store.read_versions(connection, entry_id, today)
        status_changes = store.read_status_changes(connection, entry_id)
        cause_entries = store.read_current_entries(
            connection,
            [
                status_change.cause_entry_id
                for status_change in status_changes
                if status_change.cause_entry_id
            ],
            today,
        )
        calendar = read_current_calendar(registry, connection)
    if not rows or not can_read_fully(caller, rows[-1], today):
        raise errors.EntryNotFound
    audit.record_access(registry, caller, AuditAction.history_read, entry_id)
    entry_views: list[dict[str, Any]] = [
        projections.build_entry_view(row, today, calendar) for row in rows
    ]
    previous_views: list[dict[str, Any] | None] = [None, *entry_views[:-1]]
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
                    for change in projections.find_field_changes(old, new)
                ],
            )
            for row, old, new in zip(rows, previous_views, entry_views, strict=True)
        ],
        turns=[
            schemas.TurnView(
                seq=turn.seq,
                recorded_at=turn.recorded_at,
                day=turn.day,
                status=Status(turn.status),
                because=_determine_cause(turn),
                entry_id=turn.cause_entry_id
                if turn.cause_entry_id in cause_entries
                and can_read_fully(caller, cause_entries[turn.cause_entry_id], today)
                else None,
            )
            for turn in status_changes
        ],
    )


def _determine_cause(status_change: store.StatusChangeRow) -> str:
    if status_change.cause_entry_id is None:
        return "day"
    return (
        "black_entry_active"
        if status_change.status == Status.suspended
        else "no_black_entry_active"
    )


@router.post(
    "/{entry_id}/corrections",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING_PROBLEMS | problems(errors.SubjectFixed, errors.BlacklistedSubject),
)
def correct_entry(
    entry_id: UUID,
    correction: schemas.Correction,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replace wrong facts; the recorded ones stay in the history."""
    amendments.correct_facts(registry, caller, entry_id, correction, read_version(if_match))
    return build_entry_response(registry, caller, entry_id, response, is_own_change=True)


@router.post(
    "/{entry_id}/revocations",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING_PROBLEMS,
)
def revoke_entry(
    entry_id: UUID,
    revocation: schemas.Revocation,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Take an entry back because its decision was revoked, or named the wrong subject."""
    amendments.revoke_entry(registry, caller, entry_id, revocation, read_version(if_match))
    return build_entry_response(registry, caller, entry_id, response, is_own_change=True)


@router.post(
    "/{entry_id}/exits",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING_PROBLEMS,
)
def exit_entry(
    entry_id: UUID,
    early_exit: schemas.Exit,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """End an entry before its term does."""
    amendments.exit_early(registry, caller, entry_id, early_exit, read_version(if_match))
    return build_entry_response(registry, caller, entry_id, response, is_own_change=True)


@router.post(
    "/{entry_id}/extensions",
    response_model=schemas.EntryView,
    dependencies=[needs(Permission.entry_write), WRITE_SLOT],
    responses=CHANGING_PROBLEMS | problems(errors.TermNotAllowed),
)
def extend_entry(
    entry_id: UUID,
    extension: schemas.Extension,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Lengthen a running term by a further decision, where the list type allows it, once."""
    amendments.extend_term(registry, caller, entry_id, extension, read_version(if_match))
    return build_entry_response(registry, caller, entry_id, response, is_own_change=True)


def build_entry_response(
    registry: Registry,
    caller: Caller,
    entry_id: UUID,
    response: Response,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    known_seq: int | None = None,
    is_own_change: bool = False,
) -> dict[str, Any]:
    """The entry's view; who just changed it sees the result, even where that seals it."""
    today = registry.clock.today()
    day = on or today
    with registry.database.reading() as connection:
        seq = known_seq
        if known_at is not None:
            seq = store.find_seq_at(connection, known_at)
        elif known_seq is not None:
            known_at = store.find_recorded_at(connection, known_seq)
        row = store.read_entry(connection, entry_id, day, seq)
        if row is None:
            raise errors.EntryNotFound
        current_row = store.read_entry(connection, entry_id, today) or row
        may_read_own_change = is_own_change and caller.acts_for(current_row.department)
        if not may_read_own_change and not can_read_fully(caller, current_row, today):
            raise errors.EntryNotFound
        calendar = _read_calendar_known_at(registry, connection, known_at)
        [view] = _build_entry_views(connection, [row], day, calendar, caller, seq)
    if current_row.void and not caller.can_read_sealed:
        view = projections.redact_sealed_view(
            view
        )  # its department still takes it down, by the channels
    response.headers["ETag"] = f'"{row.version}"'
    return view


def _read_calendar_known_at(
    registry: Registry, connection: Connection, known_at: datetime | None
) -> Calendar:
    """What a past view says of what was due, it says by the calendar known then."""
    if known_at is None:
        return read_current_calendar(registry, connection)
    return read_calendar_at(registry, connection, find_law_versions_at(connection, known_at)[1])


def can_read_fully(caller: Caller, row: EntryRow, day: date) -> bool:
    """Tell whether an entry is the caller's to read whole, with its history and its cases."""
    is_responsible = caller.has_oversight or caller.acts_for(row.department)
    return row.determine_access_level(caller, day) is AccessLevel.full and is_responsible


def _build_entry_views(
    connection: Connection,
    rows: list[EntryRow],
    day: date,
    calendar: Calendar,
    caller: Caller,
    seq: int | None = None,
) -> list[dict[str, Any]]:
    black_subject_ids = {row.subject_id for row in rows if row.kind == ListKind.black}
    listed_entries = store.read_listed_entries(connection, black_subject_ids, seq)
    return [
        projections.build_entry_view(
            row,
            day,
            calendar,
            projections.build_effect_views(
                row, day, listed_entries.get(row.subject_id, ()), caller
            ),
        )
        for row in rows
    ]
