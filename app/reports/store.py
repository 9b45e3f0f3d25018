"""SQL of the reports."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select

from app.db.tables import EntryVersion
from app.disclosure.queries import build_disclosure_state_expression
from app.entries import queries as entries
from app.rules.calendar import Calendar
from app.rules.disclosure import DisclosureState
from app.rules.law import DisclosureClass


def read_timeliness(
    connection: Connection,
    day: date,
    calendar: Calendar,
    *,
    first: date,
    last: date,
    filters: Mapping[str, Any],
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Entries decided from `first` to `last`, counted by department and list type.

    Entries on the wrong subject never stood, and are not counted.
    """
    version = EntryVersion
    state = build_disclosure_state_expression(day, calendar)
    public = version.disclosure_class == DisclosureClass.public.value

    def in_state(*states: DisclosureState) -> ColumnElement[bool]:
        return state.in_([item.value for item in states])

    query = (
        select(
            version.department,
            version.list_type,
            func.count().label("decided"),
            _count_if(version.reported_late.is_(False)).label("reported_on_time"),
            _count_if(version.reported_late.is_(True)).label("reported_late"),
            _count_if(in_state(DisclosureState.on_time)).label("published_on_time"),
            _count_if(in_state(DisclosureState.late)).label("published_late"),
            _count_if(in_state(DisclosureState.overdue)).label("overdue"),
            _count_if(in_state(DisclosureState.pending, DisclosureState.due_soon)).label("pending"),
            _count_if(version.disclosure_class == DisclosureClass.exempt.value).label("exempt"),
            _count_if(version.disclosure_class == DisclosureClass.restricted.value).label(
                "restricted"
            ),
            _count_if(public & in_state(DisclosureState.not_required)).label("no_longer_due"),
        )
        .where(
            entries.is_version_at(version, None),
            version.void.is_(False),
            version.decided_on.between(first, last),
        )
        .group_by(version.department, version.list_type)
        .order_by(version.department, version.list_type)
    )
    for condition in entries.build_filter_conditions(filters):
        query = query.where(condition)
    return connection.execute(query).all()


def _count_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
