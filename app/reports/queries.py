"""The timeliness report."""

from datetime import date, timedelta

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.registry import Registry
from app.reports import store
from app.reports.schemas import TimelinessReport, TimelinessRow
from app.rules.permissions import Caller

DEFAULT_DAYS = 90
"""The period of a report without a first day, in days before the last."""


def read_timeliness_report(
    registry: Registry,
    caller: Caller,
    *,
    first: date | None,
    last: date | None,
    department: str | None,
) -> TimelinessReport:
    """Count decisions from `first` to `last` by their disclosure: in time, late or overdue.

    Raises:
        InvalidPayload: the first day lies after the last.
    """
    today = registry.clock.today()
    last = last or today
    first = first or last - timedelta(days=DEFAULT_DAYS)
    if last < first:
        raise InvalidPayload(
            faults=[
                Fault(
                    "?from",
                    ProblemCode.dates_out_of_order,
                    Sentence("`from` lies after `to`", "起始日期晚于截止日期"),
                )
            ]
        )
    filters = caller.department_filter | ({} if department is None else {"department": department})
    with registry.database.reading() as connection:
        calendar = read_current_calendar(registry, connection)
        catalogue = read_current_catalogue(registry, connection)
        rows = store.read_timeliness(
            connection, today, calendar, first=first, last=last, filters=filters
        )
    audit.record_access(
        registry, caller, AuditAction.timeliness_read, first=first, last=last, department=department
    )
    return TimelinessReport(
        from_=first,
        to=last,
        on=today,
        calendar_version=calendar.version,
        rows=[
            TimelinessRow(
                **row._mapping,  # noqa: SLF001 - public in SQLAlchemy
                department_name=getattr(catalogue.departments.get(row.department), "name", None),
                reported_on_time_rate=round(row.reported_on_time / row.decided, 4),
            )
            for row in rows
        ],
    )
