"""Routes of disclosure: record publications and withdrawals, list due ones."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.disclosure import queries, schemas, service
from app.entries.projections import EntryJson
from app.entries.queries import read_entry_view
from app.entries.schemas import EntryView
from app.http.conditional import IfMatch, read_version, set_version_tag
from app.http.deps import WRITE_SLOT, RegistryDep, needs
from app.http.pagination import read_cursor
from app.http.problems import problems
from app.registry import Registry
from app.rules.disclosure import DisclosureState, TakeDown
from app.rules.permissions import Caller, Permission

router = APIRouter(prefix="/v1", tags=["Disclosure"], responses=problems())

DisclosureReader = Annotated[Caller, needs(Permission.disclosure_read)]
DisclosureWriter = Annotated[Caller, needs(Permission.disclosure_write)]

DISCLOSURE_PROBLEMS = problems(
    errors.BadVersionTag,
    errors.EntryNotFound,
    errors.StaleVersion,
    errors.TransitionRefused,
    errors.AlreadyPublished,
    errors.NotPublished,
    errors.PublicationNotAllowed,
    errors.Busy,
)


@router.post(
    "/entries/{entry_id}/disclosures",
    response_model=EntryView,
    dependencies=[needs(Permission.disclosure_write), WRITE_SLOT],
    responses=DISCLOSURE_PROBLEMS,
)
def record_publication(
    entry_id: UUID,
    publication: schemas.Publication,
    caller: DisclosureWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """Record that the entry was published on a channel; the day of publication counts."""
    expected_version = None if if_match is None else read_version(if_match)
    service.record_publication(registry, caller, entry_id, publication, expected_version)
    return _build_entry_response(registry, caller, entry_id, response)


@router.post(
    "/entries/{entry_id}/withdrawals",
    response_model=EntryView,
    dependencies=[needs(Permission.disclosure_write), WRITE_SLOT],
    responses=DISCLOSURE_PROBLEMS,
)
def record_withdrawal(
    entry_id: UUID,
    withdrawal: schemas.Withdrawal,
    caller: DisclosureWriter,
    registry: RegistryDep,
    response: Response,
    if_match: IfMatch = None,
) -> EntryJson:
    """Record that the entry was withdrawn from a channel."""
    expected_version = None if if_match is None else read_version(if_match)
    service.record_withdrawal(registry, caller, entry_id, withdrawal, expected_version)
    return _build_entry_response(registry, caller, entry_id, response)


@router.get("/disclosures", responses=problems(errors.BadCursor))
def list_disclosures(
    caller: DisclosureReader,
    registry: RegistryDep,
    state: DisclosureState | None = None,
    department: Annotated[str | None, Query(max_length=80)] = None,
    list_type: Annotated[str | None, Query(max_length=80)] = None,
    domain: Annotated[str | None, Query(max_length=80)] = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.DuePage:
    """List entries to publish, the earliest deadline first; a department sees its own.

    Without `state`: all that are still due (pending, due_soon, overdue).
    """
    given_filters = {"department": department, "list_type": list_type, "domain": domain}
    filters = {name: value for name, value in given_filters.items() if value is not None}
    page = queries.read_due_page(
        registry, caller, filters, state=state, after=_parse_cursor(next_), limit=limit
    )
    audit.record_access(registry, caller, AuditAction.disclosures_listed, state=state, **filters)
    return page


@router.get("/withdrawals", responses=problems(errors.BadCursor))
def list_withdrawals(
    caller: DisclosureReader,
    registry: RegistryDep,
    state: TakeDown | None = None,
    department: Annotated[str | None, Query(max_length=80)] = None,
    list_type: Annotated[str | None, Query(max_length=80)] = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.TakeDownPage:
    """List entries to withdraw from their channels: revoked, repaired, expired, no longer public.

    Due on the third working day (行政处罚法 Art 48; 山东省社会信用条例 Art 40); the longest overdue
    first. A department sees its own.
    """
    given_filters = {"department": department, "list_type": list_type}
    filters = {name: value for name, value in given_filters.items() if value is not None}
    page = queries.read_take_down_page(
        registry, caller, filters, state=state, after=_parse_cursor(next_), limit=limit
    )
    audit.record_access(registry, caller, AuditAction.withdrawals_listed, state=state, **filters)
    return page


def _parse_cursor(cursor: str | None) -> tuple[date, UUID] | None:
    if cursor is None:
        return None
    deadline, entry_id = read_cursor(cursor, 2)
    try:
        return date.fromisoformat(deadline), UUID(entry_id)
    except ValueError as error:
        raise errors.BadCursor from error


def _build_entry_response(
    registry: Registry, caller: Caller, entry_id: UUID, response: Response
) -> EntryJson:
    view = read_entry_view(registry, caller, entry_id, is_own_change=True)
    set_version_tag(response, view)
    return view
