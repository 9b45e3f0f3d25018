"""Reads of disclosure: pages of due publications and withdrawals."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from app.calendar.queries import read_current_calendar
from app.disclosure import schemas, store
from app.disclosure.store import build_disclosure_state_expression
from app.disclosure.views import build_due_view, build_take_down_item
from app.http.pagination import make_cursor
from app.registry import Registry
from app.rules.disclosure import DisclosureState, TakeDown
from app.rules.permissions import Caller

__all__ = ["build_disclosure_state_expression", "read_due_page", "read_take_down_page"]


def read_due_page(
    registry: Registry,
    caller: Caller,
    filters: Mapping[str, str],
    *,
    state: DisclosureState | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> schemas.DuePage:
    """Read a page of entries to publish, the earliest deadline first."""
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
            after=after,
            limit=limit + 1,
        )
    page_rows, has_more = rows[:limit], len(rows) > limit
    return schemas.DuePage(
        on=today,
        disclosures=[build_due_view(row, today, calendar) for row in page_rows],
        next=make_cursor(page_rows[-1].deadline, page_rows[-1].id) if has_more else None,
    )


def read_take_down_page(
    registry: Registry,
    caller: Caller,
    filters: Mapping[str, str],
    *,
    state: TakeDown | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> schemas.TakeDownPage:
    """Read a page of entries to withdraw from their channels, the longest overdue first."""
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
            after=after,
            limit=limit + 1,
        )
    page_rows, has_more = rows[:limit], len(rows) > limit
    last_row = page_rows[-1] if page_rows else None
    return schemas.TakeDownPage(
        on=today,
        withdrawals=[build_take_down_item(row, today, calendar) for row in page_rows],
        next=make_cursor(last_row.take_down_from, last_row.id) if last_row and has_more else None,
    )
