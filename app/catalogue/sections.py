"""Sections of a catalogue: one name for a file's section, the table's kind and the field."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from app.rules.law import (
    Catalogue,
    Department,
    Domain,
    InvestigationBasis,
    ListType,
    Matter,
    Measure,
    MeasureRule,
    Place,
    RepairRule,
)

CatalogueSections = Mapping[str, tuple[Any, ...]]
"""Items by section, such as a catalogue file gives them."""

ITEM_CLASSES: Mapping[str, type] = {
    "places": Place,
    "departments": Department,
    "domains": Domain,
    "list_types": ListType,
    "matters": Matter,
    "measures": Measure,
    "measure_rules": MeasureRule,
    "repair_rules": RepairRule,
    "investigation_bases": InvestigationBasis,
}


@cache
def build_items_adapter(section: str) -> TypeAdapter[tuple[Any, ...]]:
    """Return the schema of one section: the item class, unknown fields forbidden."""
    return TypeAdapter(tuple[ITEM_CLASSES[section], ...])  # type: ignore[valid-type]


def merge_sections(catalogue: Catalogue, sections: CatalogueSections) -> Catalogue:
    """Return the catalogue with items added or replaced by code; the other items stay."""
    changed: dict[str, Any] = {
        section: {**getattr(catalogue, section), **{item.code: item for item in items}}
        for section, items in sections.items()
    }
    return replace(catalogue, **changed)
