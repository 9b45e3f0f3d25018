"""Routes of disclosure: record publications and withdrawals, list due ones."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from app import errors
from app.disclosure import queries, schemas, service
from app.entries.projections import EntryJson
from app.entries.queries import read_entry_view
from app.entries.schemas import EntryView
from app.http.conditional import IfMatch, read_version, set_version_tag
from app.http.deps import RegistryDep, needs, needs_to_write
from app.http.parameters import FilterText, PageDep, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.registry import Registry
from app.rules.disclosure import DisclosureState, TakeDown
from app.rules.permissions import Caller, Permission

router = KeyedRouter(prefix="/v1", tag="Disclosure")

DisclosureReader = Annotated[Caller, needs(Permission.disclosure_read)]
DisclosureWriter = Annotated[Caller, needs_to_write(Permission.disclosure_write)]

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
    expected_version = read_version(if_match)
    service.record_publication(registry, caller, entry_id, publication, expected_version)
    return _build_entry_response(registry, caller, entry_id, response)


@router.post(
    "/entries/{entry_id}/withdrawals",
    response_model=EntryView,
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
    expected_version = read_version(if_match)
    service.record_withdrawal(registry, caller, entry_id, withdrawal, expected_version)
    return _build_entry_response(registry, caller, entry_id, response)


@router.get("/disclosures", responses=problems(errors.BadCursor))
def list_disclosures(
    caller: DisclosureReader,
    registry: RegistryDep,
    page: PageDep,
    state: DisclosureState | None = None,
    department: FilterText = None,
    list_type: FilterText = None,
    domain: FilterText = None,
) -> schemas.DuePage:
    """List entries to publish, the earliest deadline first; a department sees its own.

    Without `state`: all that are still due (pending, due_soon, overdue).
    """
    filters = collect_filters(department=department, list_type=list_type, domain=domain)
    return queries.read_due_page(registry, caller, page, state=state, filters=filters)


@router.get("/withdrawals", responses=problems(errors.BadCursor))
def list_withdrawals(
    caller: DisclosureReader,
    registry: RegistryDep,
    page: PageDep,
    state: TakeDown | None = None,
    department: FilterText = None,
    list_type: FilterText = None,
) -> schemas.TakeDownPage:
    """List entries to withdraw from their channels: revoked, repaired, expired, no longer public.

    Due on the third working day (行政处罚法 Art 48; 山东省社会信用条例 Art 40); the longest overdue
    first. A department sees its own.
    """
    filters = collect_filters(department=department, list_type=list_type)
    return queries.read_take_down_page(registry, caller, page, state=state, filters=filters)


def _build_entry_response(
    registry: Registry, caller: Caller, entry_id: UUID, response: Response
) -> EntryJson:
    view = read_entry_view(registry, caller, entry_id, is_own_change=True)
    set_version_tag(response, view)
    return view
