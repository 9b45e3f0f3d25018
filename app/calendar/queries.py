"""Reads of the working calendar, now and at an earlier version."""

from datetime import date
from typing import NamedTuple

from app.calendar import store
from app.db.counter import read_head
from app.db.engines import Connection
from app.registry import Registry
from app.rules.calendar import Calendar, Deadline


class VersionedDeadline(NamedTuple):
    """A deadline and the calendar version that it was computed with."""

    deadline: Deadline
    calendar_version: str


def read_calendar_at(registry: Registry, connection: Connection, version: int) -> Calendar:
    """Return the calendar of a version; each version is built once per process."""
    if version not in registry.calendars:
        years = store.read_years(connection, version)
        registry.calendars[version] = Calendar(years=years, version=str(version))
    return registry.calendars[version]


def read_current_calendar(registry: Registry, connection: Connection) -> Calendar:
    """Return the calendar of the current version."""
    return read_calendar_at(registry, connection, read_head(connection).calendar_version)


def read_deadline(registry: Registry, decided_on: date) -> VersionedDeadline:
    """Return the last day on which a decision of that day is disclosed in time."""
    with registry.database.reading() as connection:
        calendar = read_current_calendar(registry, connection)
    return VersionedDeadline(calendar.compute_deadline(decided_on), calendar.version)
