"""Routes of disclosure: record publications and withdrawals, list due ones."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_current_calendar
from app.disclosure import schemas, service, store
from app.entries.projections import build_disclosure_view, build_take_down_view
from app.entries.queries import EntryRow, read_entry_view
from app.entries.schemas import EntryView
from app.http.conditional import IfMatch, read_version, set_version_tag
from app.http.deps import WRITE_SLOT, RegistryDep, needs
from app.http.pagination import make_cursor, read_cursor
from app.http.problems import problems
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.disclosure import DisclosureState, TakeDown
from app.rules.law import ListKind
from app.rules.permissions import Caller, Permission
from app.rules.status import Status

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
) -> dict[str, Any]:
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
) -> dict[str, Any]:
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
    filters: dict[str, Any] = {
        name: value for name, value in given_filters.items() if value is not None
    }
    today = registry.clock.today()
    with registry.database.reading() as connection:
        calendar = read_current_calendar(registry, connection)
        rows = store.read_due_entries(
            connection,
            today,
            calendar,
            state=state,
            filters=filters,
            caller=caller,
            after=_parse_cursor(next_),
            limit=limit + 1,
        )
    audit.record_access(registry, caller, AuditAction.disclosures_listed, state=state, **filters)
    page_rows, has_more = rows[:limit], len(rows) > limit
    return schemas.DuePage(
        on=today,
        disclosures=[_build_due_view(row, today, calendar) for row in page_rows],
        next=make_cursor(page_rows[-1].deadline, page_rows[-1].id) if has_more else None,
    )


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
    today = registry.clock.today()
    with registry.database.reading() as connection:
        calendar = read_current_calendar(registry, connection)
        rows = store.read_entries_to_take_down(
            connection,
            today,
            calendar,
            state=state,
            filters=filters,
            caller=caller,
            after=_parse_cursor(next_),
            limit=limit + 1,
        )
    audit.record_access(registry, caller, AuditAction.withdrawals_listed, state=state, **filters)
    page_rows, has_more = rows[:limit], len(rows) > limit
    last_row = page_rows[-1] if page_rows else None
    return schemas.TakeDownPage(
        on=today,
        withdrawals=[_build_take_down_item(row, today, calendar) for row in page_rows],
        next=make_cursor(last_row.take_down_from, last_row.id) if last_row and has_more else None,
    )


def _build_take_down_item(row: EntryRow, today: date, calendar: Calendar) -> schemas.TakeDownItem:
    take_down = build_take_down_view(row, today, calendar)
    assert take_down is not None  # the list holds nothing else
    removal = row.term.find_removal_on(today)
    expired_status = Status.expired if row.compute_status(today) is Status.expired else None
    return schemas.TakeDownItem(
        entry_id=row.id,
        department=row.department,
        list_type=row.list_type,
        source_ref=row.source_ref,
        because=removal or expired_status or "not_public",
        since=take_down["since"],
        due=take_down["due"],
        state=take_down["state"],
        working_days_late=calendar.count_working_days_left(take_down["due"], today),
        channels=[
            schemas.ShownOn(channel=channel, published_on=item.published_on, url=item.url)
            for channel, item in row.publications.items()
            if item.is_currently_published and item.published_on is not None
        ],
    )


def _parse_cursor(cursor: str | None) -> tuple[date, UUID] | None:
    if cursor is None:
        return None
    deadline, entry_id = read_cursor(cursor, 2)
    try:
        return date.fromisoformat(deadline), UUID(entry_id)
    except ValueError as error:
        raise errors.BadCursor from error


def _build_due_view(row: EntryRow, today: date, calendar: Calendar) -> schemas.DueView:
    disclosure = build_disclosure_view(row, row.term, today, calendar)
    finished_states = {DisclosureState.on_time, DisclosureState.late, DisclosureState.not_required}
    is_overdue = today > row.deadline and row.published_on is None
    return schemas.DueView(
        entry_id=row.id,
        department=row.department,
        list_type=row.list_type,
        list_=ListKind(row.kind),
        source_ref=row.source_ref,
        decision_number=row.facts["decision"]["number"],
        decided_on=row.decided_on,
        deadline=row.deadline,
        provisional=row.provisional,
        working_days_left=calendar.count_working_days_left(today, row.deadline),
        working_days_late=calendar.count_working_days_left(row.deadline, today)
        if is_overdue
        else 0,
        missing=[
            channel["channel"]
            for channel in disclosure["channels"]
            if channel["state"] not in finished_states
        ],
        reported=disclosure["reported"],
        state=disclosure["state"],
    )


def _build_entry_response(
    registry: Registry, caller: Caller, entry_id: UUID, response: Response
) -> dict[str, Any]:
    view = read_entry_view(registry, caller, entry_id, is_own_change=True)
    set_version_tag(response, view)
    return view
