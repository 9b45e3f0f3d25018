"""Writes of the catalogue: the shipped law, catalogue files, list types, departments.

Every write makes a whole new version. Entries and checks refer to the version that decided them.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.service import record_shipped_years
from app.catalogue import store
from app.catalogue.loading.consistency import (
    require_no_overlapping_rules,
    require_references_exist,
)
from app.catalogue.loading.files import read_sections, read_shipped_sections
from app.catalogue.queries import read_current_catalogue
from app.catalogue.sections import merge_sections
from app.db.counter import create_counter_row
from app.db.engines import Connection
from app.errors import InvalidPayload, Sentence
from app.registry import Registry
from app.rules.law import Catalogue, Department, Level
from app.rules.permissions import COMMAND_LINE_CALLER

DEPARTMENT_CODE = re.compile(r"[a-z0-9_]{1,60}")


def initialize_registry(registry: Registry) -> None:
    """Give an empty database its counters, its keys, the shipped law and the calendar.

    Raises:
        SecretKeyMismatch: the database was sealed with another key file.
    """

    def work(connection: Connection) -> None:
        registry.adopt_keys(connection)
        if not create_counter_row(connection):
            return
        catalogue = merge_sections(Catalogue(), read_shipped_sections())
        _record_version(
            registry, connection, catalogue, AuditAction.catalogue_loaded, "shipped with the app"
        )
        record_shipped_years(registry, connection)

    registry.write(work)


def add_missing_shipped_items(registry: Registry) -> None:
    """Add to the database of an earlier release the items and fields that this release ships.

    No operation removes an item from the catalogue, so a missing code is new in this release. An
    existing item takes the shipped value only of fields that did not exist when it was stored; the
    values that an operator wrote stay. Makes no version where nothing is missing, or where another
    process was first.
    """
    shipped = read_shipped_sections()
    with registry.database.reading() as connection:
        present = read_current_catalogue(registry, connection)
        if not store.find_missing_items(connection, present, shipped):
            return

    def work(connection: Connection) -> None:
        present = read_current_catalogue(registry, connection)
        if added := store.find_missing_items(connection, present, shipped):
            catalogue = merge_sections(present, added)
            note = "completed by a newer release"
            _record_version(registry, connection, catalogue, AuditAction.catalogue_completed, note)

    registry.write(work)


def load_catalogue_file(registry: Registry, path: Path) -> int:
    """Add or replace the items of a file by code; return the new version.

    Raises:
        InvalidPayload: the file has faults, refers to codes that do not exist, or has a repair rule
            that overlaps with another one.
    """
    sections = read_sections(path)

    def merge_file(catalogue: Catalogue) -> Catalogue:
        changed = merge_sections(catalogue, sections)
        require_no_overlapping_rules(changed, sections.get("repair_rules", ()))
        return changed

    return _update_catalogue(
        registry, merge_file, AuditAction.catalogue_loaded, f"file {path.name}"
    )


def put_list_type_in_force(registry: Registry, code: str, legal_reference: str) -> int:
    """Put a list type in force on a legal reference; return the new version.

    Raises:
        InvalidPayload: there is no such list type, or the reference is blank.
    """

    def put_in_force(catalogue: Catalogue) -> Catalogue:
        list_type = catalogue.list_types.get(code)
        if list_type is None or not legal_reference.strip():
            raise InvalidPayload(
                Sentence(
                    f"Needed: an existing list type (not {code}?) and its legal reference",
                    f"须给出已有的名单类型（{code}?）及其法律依据",
                )
            )
        enabled = replace(
            list_type,
            legal_reference=legal_reference.strip(),
            in_force=True,
            note="enabled by an operator",
        )
        return merge_sections(catalogue, {"list_types": (enabled,)})

    return _update_catalogue(
        registry, put_in_force, AuditAction.list_type_enabled, f"{code}: {legal_reference}"
    )


def add_department(registry: Registry, code: str, name: str, parent: str | None) -> int:
    """Add a department; return the new version.

    With a parent it takes over the parent's functions, at county level.

    Raises:
        InvalidPayload: the code exists or has a wrong form, or there is no such parent.
    """
    if not DEPARTMENT_CODE.fullmatch(code) or not name.strip():
        raise InvalidPayload(
            Sentence(
                "A department has a name, and a code of small letters, digits and _",
                "须填写部门名称；代码只含小写字母、数字和下划线",
            )
        )

    def add(catalogue: Catalogue) -> Catalogue:
        parent_department = catalogue.find_department(parent) if parent else None
        if code in catalogue.departments or (parent and parent_department is None):
            raise InvalidPayload(
                Sentence(
                    f"{code} is taken, or there is no department {parent}",
                    f"代码 {code} 已存在，或没有部门 {parent}",
                )
            )
        department = Department(
            code=code,
            name=name,
            parent=parent_department.code if parent_department else None,
            functions=parent_department.functions if parent_department else (),
            level=Level.county if parent_department else Level.city,
        )
        return merge_sections(catalogue, {"departments": (department,)})

    return _update_catalogue(registry, add, AuditAction.department_added, f"{code} {name}")


def _update_catalogue(
    registry: Registry, transform: Callable[[Catalogue], Catalogue], action: str, note: str
) -> int:
    # First, because the new version stores every field of today: later none would seem missing.
    add_missing_shipped_items(registry)

    def work(connection: Connection) -> int:
        catalogue = transform(read_current_catalogue(registry, connection))
        require_references_exist(catalogue)
        return _record_version(registry, connection, catalogue, action, note)

    return registry.write(work)


def _record_version(
    registry: Registry, connection: Connection, catalogue: Catalogue, action: str, note: str
) -> int:
    at = registry.clock.now()
    version = store.add_version(
        connection, catalogue, at=at, actor=COMMAND_LINE_CALLER.name, note=note
    )
    record = audit.build_record(
        COMMAND_LINE_CALLER, at, action, "done", f"catalogue/{version}", note=note
    )
    audit.record_changes(connection, [record])
    return version
