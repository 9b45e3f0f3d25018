"""Writing the audit trail.

The record of a change is written on the connection of the change. The record of a query, an export
or a refusal is written to the ledger in a transaction of its own, before the response is sent. A
check or look-up is its own record: the trail reads it from there, so nothing is written twice while
a caller waits.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from app.audit import store
from app.audit.actions import AuditAction
from app.audit.store import AuditValues
from app.db.engines import Connection
from app.http.context import current_request_id
from app.registry import Registry
from app.rules.numbers_in_hand import resembles_number
from app.rules.permissions import Caller

CODE_FILTERS = frozenset({"list_type", "domain", "department"})

__all__ = [
    "AuditValues",
    "add_access",
    "build_record",
    "count_unknown_caller",
    "describe_filter",
    "raise_alarm",
    "record_access",
    "record_changes",
    "record_refusal",
]


def build_record(
    caller: Caller,
    at: datetime,
    action: AuditAction | str,
    outcome: str,
    target: object = None,
    **detail: Any,  # noqa: ANN401 - any JSON value
) -> AuditValues:
    """Build the columns of one record; `detail` must hold no personal number.

    `action` is a free string only for refusals, which name their operation.
    """
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


def record_changes(connection: Connection, records: Sequence[AuditValues]) -> None:
    """Record changes in the transaction that makes them; each record may add its `seq`."""
    store.add_changes(connection, records)


def add_access(connection: Connection, *records: AuditValues) -> None:
    """Record reads in the ledger transaction that keeps what was answered."""
    store.add_accesses(connection, records)


def describe_filter(registry: Registry, value: object) -> object:
    """Return a filter as a record may keep it: a text that resembles a number as a keyed digest.

    Nothing tells if such a text of a query is a passport number. Codes never resemble one.
    """
    if isinstance(value, str) and resembles_number(value):
        return f"digest:{registry.secrets.digest('filter', value.encode(errors='replace'))}"
    return value


def _describe_filters(registry: Registry, detail: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: describe_filter(registry, value) if name in CODE_FILTERS else value
        for name, value in detail.items()
    }


def raise_alarm(connection: Connection, record: AuditValues) -> None:
    """Record what a person must look into, in the ledger and on the list of alarms."""
    store.add_accesses(connection, [record])
    store.add_alarm(connection, record["id"])


def record_access(
    registry: Registry,
    caller: Caller,
    action: AuditAction,
    target: object = None,
    **detail: Any,  # noqa: ANN401 - any JSON value
) -> None:
    """Record a read before its response is sent."""
    registry.require_trusted_clock()
    detail = _describe_filters(registry, detail)
    if isinstance(filters := detail.get("filters"), dict):
        detail["filters"] = _describe_filters(registry, filters)
    record = build_record(caller, registry.clock.now(), action, "answered", target, **detail)
    with registry.database.ledger() as connection:
        store.add_accesses(connection, [record])


def record_refusal(
    registry: Registry,
    caller: Caller,
    operation: str,
    **detail: Any,  # noqa: ANN401 - any JSON value
) -> None:
    """Record that a known caller was refused; the action is the operation (`POST /v1/entries`)."""
    record = build_record(caller, registry.clock.now(), operation, "refused", **detail)
    with registry.database.ledger() as connection:
        store.add_accesses(connection, [record])


def count_unknown_caller(registry: Registry, source: str) -> None:
    """Count an attempt without a valid key, by source and minute."""
    minute = registry.clock.now().replace(second=0, microsecond=0)
    with registry.database.ledger() as connection:
        store.count_unknown_caller(connection, source, minute)
