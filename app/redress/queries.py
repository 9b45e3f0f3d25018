"""Reads of the redress room: cases of an entry, and lists of cases that wait for a step."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.queries import EntryRow, can_read_fully
from app.http.pagination import PageRequest, make_cursor, read_day_cursor, split_page
from app.redress import store
from app.redress.repairs import compute_repairability
from app.redress.schemas import CasePage, ObjectionList, RepairList
from app.redress.views import build_case_view, build_repairability_view
from app.registry import Registry
from app.rules.permissions import Caller
from app.rules.redress import CaseKind, CaseState


def read_entry_objections(registry: Registry, caller: Caller, entry_id: UUID) -> ObjectionList:
    """Read all objections to an entry.

    Raises:
        EntryNotFound: there is no such entry that the caller may read fully.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        _read_readable_entry(connection, entry_id, caller, today)
        cases = store.read_entry_cases(connection, entry_id, CaseKind.objection)
    audit.record_access(registry, caller, AuditAction.objections_read, entry_id)
    return ObjectionList(objections=[build_case_view(case, today) for case in cases])


def read_entry_repairs(registry: Registry, caller: Caller, entry_id: UUID) -> RepairList:
    """Read the conditions of repair of an entry and all applications for it.

    Raises:
        EntryNotFound: there is no such entry that the caller may read fully.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        row = _read_readable_entry(connection, entry_id, caller, today)
        catalogue = read_current_catalogue(registry, connection)
        repairability = compute_repairability(connection, row, catalogue, today)
        cases = store.read_entry_cases(connection, entry_id, CaseKind.repair)
    audit.record_access(registry, caller, AuditAction.repairs_read, entry_id)
    return RepairList(
        repairability=build_repairability_view(repairability),
        repairs=[build_case_view(case, today) for case in cases],
    )


def read_case_page(
    registry: Registry,
    caller: Caller,
    kind: CaseKind,
    page: PageRequest,
    *,
    state: CaseState | None,
    due: str | None,
    filters: Mapping[str, str],
) -> CasePage:
    """Read one page of cases, the earliest due first; a department sees its own.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    today = registry.clock.today()
    with registry.database.reading() as connection:
        cases = store.read_case_page(
            connection,
            kind,
            state=state,
            today=today,
            overdue=due is not None,
            filters=filters,
            caller=caller,
            after=read_day_cursor(page.cursor),
            limit=page.limit + 1,
        )
    audit.record_access(
        registry, caller, AuditAction(f"{kind}s_listed"), state=state, due=due, **filters
    )
    page_cases, last_case = split_page(cases, page.limit)
    return CasePage(
        on=today,
        cases=[build_case_view(case, today) for case in page_cases],
        next=last_case and make_cursor(last_case.due_on or last_case.received_on, last_case.id),
    )


def _read_readable_entry(
    connection: Connection, entry_id: UUID, caller: Caller, today: date
) -> EntryRow:
    row = entries.read_entry(connection, entry_id, today)
    if row is None or not can_read_fully(caller, row, today):
        raise errors.EntryNotFound
    return row
