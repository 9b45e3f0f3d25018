"""SQL of the catalogue: each version is stored whole."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from app.catalogue.sections import ITEM_CLASSES, CatalogueSections, build_items_adapter
from app.db.counter import ConcurrentChange
from app.db.tables import CatalogueItem, CatalogueVersion, RegistryState
from app.rules.law import Catalogue
from app.rules.stored_json import JsonObject


def read_catalogue(connection: Connection, version: int) -> Catalogue:
    """Return the catalogue of a version."""
    sections = {
        section: {
            item.code: item for item in build_items_adapter(section).validate_python(rows.values())
        }
        for section, rows in _read_bodies(connection, version).items()
    }
    return Catalogue(version=str(version), **sections)


def _read_bodies(connection: Connection, version: int) -> dict[str, dict[str, JsonObject]]:
    bodies: dict[str, dict[str, JsonObject]] = {section: {} for section in ITEM_CLASSES}
    for item in connection.execute(
        select(CatalogueItem.kind, CatalogueItem.code, CatalogueItem.body)
        .where(CatalogueItem.version == version)
        .order_by(CatalogueItem.kind, CatalogueItem.position)
    ):
        # A newer release may have added sections that this one does not know.
        if item.kind in bodies:
            bodies[item.kind][item.code] = item.body
    return bodies


def find_missing_items(
    connection: Connection, catalogue: Catalogue, shipped: CatalogueSections
) -> dict[str, tuple[Any, ...]]:
    """Return shipped items that the catalogue lacks, and its items that lack fields.

    A stored item has every field of its time, so a field that its body lacks is a newer one.
    """
    stored_bodies = _read_bodies(connection, int(catalogue.version))
    missing_bodies: dict[str, list[JsonObject]] = {}
    for section, items in shipped.items():
        for item in build_items_adapter(section).dump_python(items, mode="json"):
            body = stored_bodies[section].get(item["code"], {})
            if item.keys() - body.keys():
                missing_bodies.setdefault(section, []).append({**item, **body})
    return {
        section: build_items_adapter(section).validate_python(bodies)
        for section, bodies in missing_bodies.items()
    }


def add_version(
    connection: Connection, catalogue: Catalogue, *, at: datetime, actor: str, note: str
) -> int:
    """Insert a whole catalogue, derived from the current one, as the next version.

    Raises:
        ConcurrentChange: another change made a newer version first.
    """
    version = connection.execute(
        update(RegistryState)
        .values(catalogue_version=RegistryState.catalogue_version + 1)
        .returning(RegistryState.catalogue_version)
    ).scalar_one()
    if version != int(catalogue.version or 0) + 1:
        raise ConcurrentChange  # derived from an older version: the change in between would be lost
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
    return int(version)
