"""Writing and reading the trail.

A change's record is written on the connection of the change; that of a query, an export or a
refusal goes to the ledger in a transaction of its own, before the answer leaves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select
from uuid_utils.compat import uuid7

from app.database import insert_many, insert_or
from app.registry import Registry
from app.rules.permissions import Caller
from app.tables import AccessRecord, AuditRecord, UnknownCaller
from app.wire import current_request_id

Row = Mapping[str, Any]


def row(
    caller: Caller,
    at: datetime,
    action: str,
    outcome: str,
    target: object = None,
    **detail: object,
) -> dict[str, Any]:
    """One record's columns; `detail` must hold no personal number."""
    return {
        "id": uuid7(),
        "recorded_at": at,
        "actor_id": caller.id,
        "actor_name": caller.name,
        "role": caller.role,
        "department": caller.department,
        "action": action,
        "outcome": outcome,
        "target": None if target is None else str(target),
        "request_id": current_request_id(),
        "detail": detail,
    }


def record_changes(connection: Connection, rows: Sequence[Row]) -> None:
    """Write down changes in the transaction that makes them; each row adds its `seq`."""
    insert_many(connection, AuditRecord, [{"seq": None, **row} for row in rows])


def add_access(connection: Connection, record: Row) -> None:
    """Write down that something was asked or told, in the ledger transaction that keeps it."""
    connection.execute(insert(AccessRecord), [record])


def record_access(
    registry: Registry, caller: Caller, action: str, target: object = None, **detail: object
) -> None:
    """Write down that something was read, before the answer leaves."""
    record = row(caller, registry.clock.now(), action, "answered", target, **detail)
    with registry.database.ledger() as connection:
        add_access(connection, record)


def record_refusal(registry: Registry, caller: Caller, action: str, **detail: object) -> None:
    """Write down that a known caller was refused."""
    record = row(caller, registry.clock.now(), action, "refused", **detail)
    with registry.database.ledger() as connection:
        add_access(connection, record)


def count_unknown_caller(registry: Registry, source: str) -> None:
    """Count an attempt without a valid key, by source and minute."""
    minute = registry.clock.now().replace(second=0, microsecond=0)
    with registry.database.ledger() as connection:
        statement = insert_or(connection, UnknownCaller).values(
            source=source[:80], minute=minute, attempts=1
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["source", "minute"],
                set_={"attempts": UnknownCaller.attempts + 1},
            )
        )


def page(
    registry: Registry, *, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The newest records first, changes and accesses together; ids order them by time."""
    with registry.database.reading() as connection:
        changes = _newest(connection, AuditRecord, before, limit, filters)
    with registry.database.reading_ledger() as connection:
        accesses = _newest(connection, AccessRecord, before, limit, filters)
    return sorted([*changes, *accesses], key=lambda item: item["id"], reverse=True)[:limit]


def _newest(
    connection: Connection,
    table: type[AuditRecord] | type[AccessRecord],
    before: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
) -> Iterable[dict[str, Any]]:
    query = select(*table.__table__.columns).order_by(table.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.id < before)
    for name, value in filters.items():
        query = query.where(table.__table__.columns[name] == value)
    return [dict(item._mapping) for item in connection.execute(query)]  # noqa: SLF001
