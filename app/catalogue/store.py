"""The law in the database: whole versions of the catalogue, and years of the calendar."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, update

from app.clock import civil_day
from app.db.tables import (
    CalendarVersion,
    CalendarYearRow,
    CatalogueItem,
    CatalogueVersion,
    RegistryState,
)
from app.registry import LawMoved, Registry, read_head
from app.rules.calendar import Calendar, CalendarYear
from app.rules.law import (
    Catalogue,
    Department,
    Domain,
    ListType,
    Matter,
    Measure,
    MeasureRule,
    Place,
    RepairRule,
)

CatalogueSections = Mapping[str, tuple[Any, ...]]

# Section of a catalogue file, of the table and of `Catalogue`: one name, one class.
ITEM_CLASSES: Mapping[str, type] = {
    "places": Place,
    "departments": Department,
    "domains": Domain,
    "list_types": ListType,
    "matters": Matter,
    "measures": Measure,
    "measure_rules": MeasureRule,
    "repair_rules": RepairRule,
}


@cache
def build_items_adapter(section: str) -> TypeAdapter[tuple[Any, ...]]:
    """The schema of one section: the class itself, unknown fields forbidden."""
    return TypeAdapter(tuple[ITEM_CLASSES[section], ...])  # type: ignore[valid-type]


def read_catalogue_at(registry: Registry, connection: Connection, version: int) -> Catalogue:
    """The catalogue as it stood at a version; built once, then remembered."""
    if version not in registry.catalogues:
        registry.catalogues[version] = _read_catalogue(connection, version)
    return registry.catalogues[version]


def read_current_catalogue(registry: Registry, connection: Connection) -> Catalogue:
    """The catalogue of today."""
    return read_catalogue_at(registry, connection, read_head(connection).catalogue_version)


def _read_catalogue(connection: Connection, version: int) -> Catalogue:
    sections = {
        section: {
            item.code: item for item in build_items_adapter(section).validate_python(rows.values())
        }
        for section, rows in _read_bodies(connection, version).items()
    }
    return Catalogue(version=str(version), **sections)


def _read_bodies(connection: Connection, version: int) -> dict[str, dict[str, dict[str, Any]]]:
    bodies: dict[str, dict[str, dict[str, Any]]] = {section: {} for section in ITEM_CLASSES}
    for item in connection.execute(
        select(CatalogueItem.kind, CatalogueItem.code, CatalogueItem.body)
        .where(CatalogueItem.version == version)
        .order_by(CatalogueItem.kind, CatalogueItem.position)
    ):
        bodies[item.kind][item.code] = item.body
    return bodies


def find_missing_items(
    connection: Connection, catalogue: Catalogue, shipped: CatalogueSections
) -> dict[str, tuple[Any, ...]]:
    """Shipped items that a catalogue lacks, and its own with the fields that they lack.

    An item is kept with every field that there is, so a field that is not in its body came later.
    """
    stored_bodies = _read_bodies(connection, int(catalogue.version))
    missing_bodies: dict[str, list[dict[str, Any]]] = {}
    for section, items in shipped.items():
        for item in build_items_adapter(section).dump_python(items, mode="json"):
            body = stored_bodies[section].get(item["code"], {})
            if item.keys() - body.keys():
                missing_bodies.setdefault(section, []).append({**item, **body})
    return {
        section: build_items_adapter(section).validate_python(bodies)
        for section, bodies in missing_bodies.items()
    }


def merge_sections(catalogue: Catalogue, sections: CatalogueSections) -> Catalogue:
    """The catalogue with the items of a file put in, by code; what the file omits stays."""
    changed: dict[str, Any] = {
        section: {**getattr(catalogue, section), **{item.code: item for item in items}}
        for section, items in sections.items()
    }
    return replace(catalogue, **changed)


def add_catalogue_version(
    connection: Connection, catalogue: Catalogue, *, at: datetime, actor: str, note: str
) -> int:
    """Keep a whole catalogue, made from the present one, as the next version.

    Raises:
        LawMoved: the present one is another by now.
    """
    version = connection.execute(
        update(RegistryState)
        .values(catalogue_version=RegistryState.catalogue_version + 1)
        .returning(RegistryState.catalogue_version)
    ).scalar_one()
    if version != int(catalogue.version or 0) + 1:
        raise LawMoved  # made from an older one: the change in between would be lost
    connection.execute(
        insert(CatalogueVersion).values(version=version, loaded_at=at, actor=actor, note=note)
    )
    rows = [
        {
            "version": version,
            "kind": section.name,
            "code": item.code,
            "position": position,
            "body": build_items_adapter(section.name).dump_python((item,), mode="json")[0],
        }
        for section in fields(catalogue)
        if section.name in ITEM_CLASSES
        for position, item in enumerate(getattr(catalogue, section.name).values())
    ]
    connection.execute(insert(CatalogueItem), rows)
    return version


# --- calendar ------------------------------------------------------------


def read_calendar_at(registry: Registry, connection: Connection, version: int) -> Calendar:
    """The working-day calendar at a version; built once, then remembered."""
    if version not in registry.calendars:
        rows = connection.execute(
            select(CalendarYearRow)
            .where(CalendarYearRow.version <= version)
            .order_by(CalendarYearRow.version)
            .with_only_columns(*CalendarYearRow.__table__.columns)
        )
        # Newer rows of the same year come later and take its place.
        years = {row.year: _build_calendar_year(row) for row in rows}
        registry.calendars[version] = Calendar(years=years, version=str(version))
    return registry.calendars[version]


def read_current_calendar(registry: Registry, connection: Connection) -> Calendar:
    """The calendar of today."""
    return read_calendar_at(registry, connection, read_head(connection).calendar_version)


def _build_calendar_year(row: Any) -> CalendarYear:  # noqa: ANN401 - a row of calendar_years
    return CalendarYear(
        year=row.year,
        off_days=frozenset(date.fromisoformat(day) for day in row.off_days),
        working_days=frozenset(date.fromisoformat(day) for day in row.working_days),
        announced=row.announced,
        source=row.source,
    )


def add_calendar_version(
    connection: Connection, years: Iterable[CalendarYear], *, at: datetime, actor: str, note: str
) -> int:
    """Keep years as the next version of the calendar and make it the present one.

    The update of the state row holds back every writer that is about to take a change number;
    they find the calendar moved and decide again.
    """
    version = connection.execute(
        update(RegistryState)
        .values(calendar_version=RegistryState.calendar_version + 1)
        .returning(RegistryState.calendar_version)
    ).scalar_one()
    connection.execute(
        insert(CalendarVersion).values(version=version, loaded_at=at, actor=actor, note=note)
    )
    connection.execute(
        insert(CalendarYearRow),
        [
            {
                "year": year.year,
                "version": version,
                "off_days": sorted(day.isoformat() for day in year.off_days),
                "working_days": sorted(day.isoformat() for day in year.working_days),
                "announced": year.announced,
                "source": year.source,
            }
            for year in years
        ],
    )
    return version


# --- both ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Law:
    """The law that one change is decided by, and when."""

    catalogue: Catalogue
    calendar: Calendar
    catalogue_version: int
    calendar_version: int
    at: datetime
    today: date
    """The civil day of the change: no earlier than what others were told of by another clock."""


def read_law(registry: Registry, connection: Connection) -> Law:
    """The law of this moment."""
    head, now = read_head(connection), registry.clock.now()
    return Law(
        read_catalogue_at(registry, connection, head.catalogue_version),
        read_calendar_at(registry, connection, head.calendar_version),
        head.catalogue_version,
        head.calendar_version,
        now,
        max(civil_day(now), head.turned_on or date.min),
    )
