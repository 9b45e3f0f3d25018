"""Routes of reports on the 7-working-day deadline."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.errors import Fault, ProblemCode, Sentence
from app.http.deps import RegistryDep, needs
from app.http.problems import problems
from app.http.schemas import Day
from app.reports import schemas, store
from app.rules.permissions import Caller, Permission

router = APIRouter(prefix="/v1/reports", tags=["Reports"], responses=problems())

Reader = Annotated[Caller, needs(Permission.report_read)]
DEFAULT_DAYS = 90


@router.get("/timeliness")
def report_timeliness(
    caller: Reader,
    registry: RegistryDep,
    from_: Annotated[Day | None, Query(alias="from", description="First day of decision")] = None,
    to: Annotated[Day | None, Query(description="Last day of decision; today if left out")] = None,
    department: Annotated[str | None, Query(max_length=80)] = None,
) -> schemas.TimelinessReport:
    """Decided, reported, published: in time, late or overdue; a department sees its own."""
    today = registry.clock.today()
    last = to or today
    first = from_ or last - timedelta(days=DEFAULT_DAYS)
    if last < first:
        raise errors.InvalidPayload(
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
    return schemas.TimelinessReport(
        from_=first,
        to=last,
        on=today,
        calendar_version=calendar.version,
        rows=[
            schemas.TimelinessRow(
                **row._mapping,  # noqa: SLF001 - SQLAlchemy's public name
                department_name=getattr(catalogue.departments.get(row.department), "name", None),
                reported_on_time_rate=round(row.reported_on_time / row.decided, 4),
            )
            for row in rows
        ],
    )
