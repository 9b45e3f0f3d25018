"""Routes of reports on the 7-working-day deadline."""

from typing import Annotated

from fastapi import Query

from app.http.deps import RegistryDep, needs
from app.http.parameters import FilterText
from app.http.routes import KeyedRouter
from app.http.schemas import Day
from app.reports import queries, schemas
from app.rules.permissions import Caller, Permission

router = KeyedRouter(prefix="/v1/reports", tag="Reports")

ReportReader = Annotated[Caller, needs(Permission.report_read)]


@router.get("/timeliness")
def report_timeliness(
    caller: ReportReader,
    registry: RegistryDep,
    from_: Annotated[Day | None, Query(alias="from", description="First day of decision")] = None,
    to: Annotated[Day | None, Query(description="Last day of decision; today if left out")] = None,
    department: FilterText = None,
) -> schemas.TimelinessReport:
    """Decided, reported, published: in time, late or overdue; a department sees its own."""
    return queries.read_timeliness_report(
        registry, caller, first=from_, last=to, department=department
    )
