"""Reads of the catalogue, and of the law (catalogue and calendar) that decides one change."""

from dataclasses import dataclass
from datetime import date, datetime

from app.calendar.queries import read_calendar_at
from app.catalogue import store
from app.clock import civil_day
from app.db.counter import read_head
from app.db.engines import Connection
from app.errors import InvalidPayload, Sentence
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.law import Catalogue


@dataclass(frozen=True, slots=True)
class Law:
    """The law that decides one change.

    Attributes:
        at: the instant of the change.
        today: the civil day of the change; never before a day that another process has begun.
    """

    catalogue: Catalogue
    calendar: Calendar
    catalogue_version: int
    calendar_version: int
    at: datetime
    today: date


def read_catalogue_at(registry: Registry, connection: Connection, version: int) -> Catalogue:
    """Return the catalogue of a version; each version is built once per process."""
    if version not in registry.catalogues:
        registry.catalogues[version] = store.read_catalogue(connection, version)
    return registry.catalogues[version]


def read_current_catalogue(registry: Registry, connection: Connection) -> Catalogue:
    """Return the catalogue of the current version."""
    return read_catalogue_at(registry, connection, read_head(connection).catalogue_version)


def load_current_catalogue(registry: Registry) -> Catalogue:
    """Return the catalogue of the current version, read on a connection of its own."""
    with registry.database.reading() as connection:
        return read_current_catalogue(registry, connection)


def read_law(registry: Registry, connection: Connection) -> Law:
    """Return the law of this moment."""
    head, now = read_head(connection), registry.clock.now()
    return Law(
        read_catalogue_at(registry, connection, head.catalogue_version),
        read_calendar_at(registry, connection, head.calendar_version),
        head.catalogue_version,
        head.calendar_version,
        now,
        max(civil_day(now), head.current_day or date.min),
    )


def require_department_code(registry: Registry, name_or_code: str) -> str:
    """Return the code of the department with that code, name or alias.

    Raises:
        InvalidPayload: the catalogue has no such department.
    """
    found = load_current_catalogue(registry).find_department(name_or_code)
    if found is None:
        raise InvalidPayload(
            Sentence(
                f"There is no department {name_or_code}; add it with: redblack departments add",
                f"目录中没有部门 {name_or_code}；请先用 redblack departments add 添加",
            )
        )
    return found.code
