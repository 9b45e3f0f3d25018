"""Reads of disclosure: pages of due publications and withdrawals."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_current_calendar
from app.db.engines import Connection
from app.disclosure import schemas, store
from app.disclosure.store import build_disclosure_state_expression
from app.disclosure.views import build_due_view, build_take_down_item
from app.entries.queries import EntryRow
from app.http.pagination import PageRequest, make_cursor, read_day_cursor, split_page
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.disclosure import DisclosureState, TakeDown
from app.rules.permissions import Caller

__all__ = ["build_disclosure_state_expression", "read_due_page", "read_take_down_page"]

State = TypeVar("State", DisclosureState, TakeDown)
State_contra = TypeVar("State_contra", DisclosureState, TakeDown, contravariant=True)


class ReadRows(Protocol[State_contra]):
    """A function of the store that reads entries of one state, or of all open states."""

    def __call__(
        self,
        connection: Connection,
        day: date,
        calendar: Calendar,
        *,
        state: State_contra | None,
        filters: Mapping[str, str],
        caller: Caller,
        after: tuple[date, UUID] | None,
        limit: int,
    ) -> list[EntryRow]:
        """Read at most `limit` entries after a position."""


class DuePageRows(NamedTuple):
    """The entries of a page; `last_row` is None on the last page."""

    today: date
    calendar: Calendar
    rows: Sequence[EntryRow]
    last_row: EntryRow | None


def read_due_page(
    registry: Registry,
    caller: Caller,
    page: PageRequest,
    *,
    state: DisclosureState | None,
    filters: Mapping[str, str],
) -> schemas.DuePage:
    """Read a page of entries to publish, the earliest deadline first, and record the read.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    found = _read_rows(registry, caller, page, store.read_due_entries, state, filters)
    audit.record_access(registry, caller, AuditAction.disclosures_listed, state=state, **filters)
    last_row = found.last_row
    return schemas.DuePage(
        on=found.today,
        disclosures=[build_due_view(row, found.today, found.calendar) for row in found.rows],
        next=last_row and make_cursor(last_row.deadline, last_row.id),
    )


def read_take_down_page(
    registry: Registry,
    caller: Caller,
    page: PageRequest,
    *,
    state: TakeDown | None,
    filters: Mapping[str, str],
) -> schemas.TakeDownPage:
    """Read a page of entries to withdraw, the longest overdue first, and record the read.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    found = _read_rows(registry, caller, page, store.read_entries_to_take_down, state, filters)
    audit.record_access(registry, caller, AuditAction.withdrawals_listed, state=state, **filters)
    last_row = found.last_row
    return schemas.TakeDownPage(
        on=found.today,
        withdrawals=[build_take_down_item(row, found.today, found.calendar) for row in found.rows],
        next=last_row and make_cursor(last_row.take_down_from, last_row.id),
    )


def _read_rows(
    registry: Registry,
    caller: Caller,
    page: PageRequest,
    read_rows: ReadRows[State],
    state: State | None,
    filters: Mapping[str, str],
) -> DuePageRows:
    today = registry.clock.today()
    after = read_day_cursor(page.cursor)
    with registry.database.reading() as connection:
        calendar = read_current_calendar(registry, connection)
        rows = read_rows(
            connection,
            today,
            calendar,
            state=state,
            filters=filters,
            caller=caller,
            after=after,
            limit=page.limit + 1,
        )
    return DuePageRows(today, calendar, *split_page(rows, page.limit))
