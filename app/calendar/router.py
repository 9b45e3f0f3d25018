"""Routes of the working calendar."""

from typing import Annotated

from fastapi import Query

from app.calendar import queries, schemas
from app.http.deps import RegistryDep
from app.http.routes import KeyedRouter
from app.http.schemas import Day
from app.rules.calendar import DISCLOSURE_WORKING_DAYS
from app.rules.permissions import Permission

router = KeyedRouter(prefix="/v1/calendar", tag="Catalogue", needed=Permission.catalogue_read)


@router.get("/deadline", name="tell_deadline")
def get_deadline(
    registry: RegistryDep,
    decided_on: Annotated[Day, Query(openapi_examples={"a Friday": {"value": "2026-11-20"}})],
) -> schemas.DeadlineView:
    """Return the last day on which a decision of that day is disclosed in time."""
    found = queries.read_deadline(registry, decided_on)
    return schemas.DeadlineView(
        decided_on=decided_on,
        deadline=found.deadline.deadline,
        working_days=DISCLOSURE_WORKING_DAYS,
        provisional=found.deadline.provisional,
        calendar_version=found.calendar_version,
    )
