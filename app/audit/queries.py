"""Reading the audit trail."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.audit import store
from app.db.tables import AccessRecord, AuditRecord
from app.registry import Registry


def read_page(
    registry: Registry, *, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Read the newest records first, changes and reads together; ids order them by time.

    `filters` are equalities by name: action, outcome, target, department, actor_id.
    """
    with registry.database.reading() as connection:
        changes = store.read_newest(connection, AuditRecord, before, limit, filters)
    with registry.database.reading_ledger() as connection:
        accesses = store.read_newest(connection, AccessRecord, before, limit, filters)
        checks = store.read_newest_checks(connection, before, limit, filters)
    found = sorted([*changes, *accesses, *checks], key=lambda item: item["id"], reverse=True)
    return found[:limit]
