"""Routes of entries: record, read and change them."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.entries import queries, schemas, service
from app.entries.projections import EntryJson
from app.http.conditional import IfMatch, require_version, set_version_tag
from app.http.deps import RegistryDep, needs, needs_to_write
from app.http.pagination import make_cursor, read_id_cursor, require_one_moment
from app.http.parameters import FilterText, PageDep, PastDay, PastInstant, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.registry import Registry
from app.rules.permissions import Caller, Permission
from app.rules.status import Status

router = KeyedRouter(prefix="/v1/entries", tag="Entries")

EntryReader = Annotated[Caller, needs(Permission.entry_read)]
EntryWriter = Annotated[Caller, needs_to_write(Permission.entry_write)]

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
    responses={
        200: {"model": schemas.EntryView, "description": "The same entry was recorded before"},
        **RECORDING_PROBLEMS,
    },
)
def push_entry(
    push: schemas.EntryPush, caller: EntryWriter, registry: RegistryDep, response: Response
) -> EntryJson:
    """Record a decision: a red or black entry, a licence or a penalty.

    Idempotent by (department, source_ref): a repeated body returns 200 with the view of today.
    """
    recorded = service.record_entry(registry, caller, push)
    if recorded.replayed:
        response.status_code = status.HTTP_200_OK
        audit.record_access(registry, caller, AuditAction.entry_replayed, recorded.entry_id)
    response.headers["Location"] = f"/v1/entries/{recorded.entry_id}"
    return build_entry_response(registry, caller, recorded.entry_id, response)


@router.get("", responses=problems(errors.BadCursor))
def list_entries(
    caller: EntryReader,
    registry: RegistryDep,
    page: PageDep,
    source_ref: FilterText = None,
    list_type: FilterText = None,
    domain: FilterText = None,
    department: FilterText = None,
    entry_status: Annotated[Status | None, Query(alias="status")] = None,
    subject_id: UUID | None = None,
    on: PastDay = None,
    known_at: PastInstant = None,
) -> schemas.EntryPage:
    """List entries by page, oldest first; a department sees its own."""
    filters = collect_filters(
        source_ref=source_ref,
        list_type=list_type,
        domain=domain,
        department=department,
        subject_id=subject_id,
    )
    if (on or known_at) and not caller.has_oversight:
        raise errors.Forbidden
    views, has_more = queries.read_view_page(
        registry,
        caller,
        filters,
        status=entry_status,
        on=on,
        known_at=known_at,
        after=read_id_cursor(page.cursor),
        limit=page.limit,
    )
    recorded_filters = {name: str(value) for name, value in filters.items()}
    if source_ref is not None and not views:  # no reference of the registry, so of unknown content
        recorded_filters["source_ref"] = str(audit.describe_filter(registry, source_ref))
    audit.record_access(
        registry, caller, AuditAction.entries_listed, status=entry_status, **recorded_filters
    )
    return schemas.EntryPage.model_validate(
        {"entries": views, "next": make_cursor(views[-1]["id"]) if has_more else None}
    )


@router.get(
    "/{entry_id}", response_model=schemas.EntryView, responses=problems(errors.EntryNotFound)
)
def show_entry(
    entry_id: UUID,
    caller: EntryReader,
    registry: RegistryDep,
    response: Response,
    on: PastDay = None,
    known_at: PastInstant = None,
    known_seq: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> EntryJson:
    """Show one entry as of today, or as of another day or state of the registry."""
    is_past_view = any(value is not None for value in (on, known_at, known_seq))
    if is_past_view and not caller.has_oversight:
        raise errors.Forbidden
    require_one_moment(known_at, known_seq, "?known_seq")
    view = queries.read_entry_view(
        registry, caller, entry_id, on=on, known_at=known_at, known_seq=known_seq
    )
    set_version_tag(response, view)
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
    """Show every version of an entry: actor, time, reason and changed fields."""
    service.record_status_changes_until_today(registry)
    history = queries.read_history(registry, caller, entry_id)
    audit.record_access(registry, caller, AuditAction.history_read, entry_id)
    return history


@router.post(
    "/{entry_id}/corrections",
    response_model=schemas.EntryView,
    responses=CHANGING_PROBLEMS | problems(errors.SubjectFixed, errors.BlacklistedSubject),
)
def correct_entry(
    entry_id: UUID,
    correction: schemas.Correction,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """Replace wrong facts; the history keeps the recorded ones."""
    service.correct_facts(registry, caller, entry_id, correction, require_version(if_match))
    return build_entry_response(registry, caller, entry_id, response)


@router.post(
    "/{entry_id}/revocations",
    response_model=schemas.EntryView,
    responses=CHANGING_PROBLEMS,
)
def revoke_entry(
    entry_id: UUID,
    revocation: schemas.Revocation,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """Revoke an entry whose decision was revoked, or names the wrong subject."""
    service.revoke_entry(registry, caller, entry_id, revocation, require_version(if_match))
    return build_entry_response(registry, caller, entry_id, response)


@router.post(
    "/{entry_id}/exits",
    response_model=schemas.EntryView,
    responses=CHANGING_PROBLEMS,
)
def exit_entry(
    entry_id: UUID,
    early_exit: schemas.Exit,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """End an entry before the end of its term."""
    service.exit_early(registry, caller, entry_id, early_exit, require_version(if_match))
    return build_entry_response(registry, caller, entry_id, response)


@router.post(
    "/{entry_id}/extensions",
    response_model=schemas.EntryView,
    responses=CHANGING_PROBLEMS | problems(errors.TermNotAllowed),
)
def extend_entry(
    entry_id: UUID,
    extension: schemas.Extension,
    caller: EntryWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """Extend a running term by a further decision, once, if the list type allows it."""
    service.extend_term(registry, caller, entry_id, extension, require_version(if_match))
    return build_entry_response(registry, caller, entry_id, response)


def build_entry_response(
    registry: Registry, caller: Caller, entry_id: UUID, response: Response
) -> EntryJson:
    """Return the entry to the caller that has just changed it, with its version as `ETag`."""
    view = queries.read_entry_view(registry, caller, entry_id, is_own_change=True)
    set_version_tag(response, view)
    return view
