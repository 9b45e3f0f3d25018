"""Items of the lists of due publications and withdrawals."""

from datetime import date

from app.disclosure import schemas
from app.entries.projections import build_disclosure_view, build_take_down_view
from app.entries.queries import EntryRow
from app.rules.calendar import Calendar
from app.rules.disclosure import DisclosureState
from app.rules.law import ListKind
from app.rules.status import Status


def build_due_view(row: EntryRow, today: date, calendar: Calendar) -> schemas.DueView:
    """Build the item of an entry with a duty to publish."""
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


def build_take_down_item(row: EntryRow, today: date, calendar: Calendar) -> schemas.TakeDownItem:
    """Build the item of an entry that must be withdrawn from its channels."""
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
