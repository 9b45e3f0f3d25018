"""Writes of the working calendar."""

from app.calendar import store
from app.calendar.notices import build_statutory_years, read_announced_years
from app.db.engines import Connection
from app.registry import Registry
from app.rules.calendar import CalendarYear
from app.rules.permissions import COMMAND_LINE_CALLER

# Entries need deadlines this far ahead; the notice of a year replaces its statutory row.
STATUTORY_YEARS = 10


def record_shipped_years(registry: Registry, connection: Connection) -> None:
    """Record the shipped notices and the statutory years after them as the first version."""
    announced = read_announced_years()
    last = max(year.year for year in announced)
    years = [*announced, *build_statutory_years(last + 1, last + STATUTORY_YEARS)]
    store.add_version(
        connection,
        years,
        at=registry.clock.now(),
        actor=COMMAND_LINE_CALLER.name,
        note="shipped with the app",
    )


def record_year(registry: Registry, connection: Connection, year: CalendarYear) -> int:
    """Record a year as the next calendar version; return the version."""
    return store.add_version(
        connection,
        [year],
        at=registry.clock.now(),
        actor=COMMAND_LINE_CALLER.name,
        note=year.source,
    )
