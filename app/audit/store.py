"""Writing and reading the trail.

A change's record is written on the connection of the change; that of a query, an export or a
refusal goes to the ledger in a transaction of its own, before the answer leaves. A check or look-up
is on file itself, and its record is read from there: nothing is written twice while a clerk waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, false, func, select, true
from uuid_utils.compat import uuid7

from app.db.prepared import insert_many, insert_or
from app.db.tables import AccessRecord, AuditRecord, Check, CheckResult, RecentResult, UnknownCaller
from app.http.schemas import current_request_id
from app.registry import Registry
from app.rules.permissions import Caller

Row = Mapping[str, Any]


def row(
    caller: Caller,
    at: datetime,
    action: str,
    outcome: str,
    target: object = None,
    **detail: Any,  # noqa: ANN401 - whatever JSON holds
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


def add_access(connection: Connection, *records: Row) -> None:
    """Write down what was asked or told, in the ledger transaction that keeps it."""
    insert_many(connection, AccessRecord, records)


def record_access(
    registry: Registry,
    caller: Caller,
    action: str,
    target: object = None,
    **detail: Any,  # noqa: ANN401 - whatever JSON holds
) -> None:
    """Write down that something was read, before the answer leaves."""
    record = row(caller, registry.clock.now(), action, "answered", target, **detail)
    with registry.database.ledger() as connection:
        add_access(connection, record)


def record_refusal(
    registry: Registry,
    caller: Caller,
    action: str,
    **detail: Any,  # noqa: ANN401 - whatever JSON holds
) -> None:
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


ANSWERED = {"check": "check_answered", "lookup": "subject_looked_up"}
"""Actions whose records are the checks and look-ups themselves, by their kind."""


def page(
    registry: Registry, *, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The newest records first, changes and accesses together; ids order them by time.

    `filters` are equalities by name: action, outcome, target, department, actor_id.
    """
    with registry.database.reading() as connection:
        changes = _newest(connection, AuditRecord, before, limit, filters)
    with registry.database.reading_ledger() as connection:
        accesses = _newest(connection, AccessRecord, before, limit, filters)
        checks = _newest_checks(connection, before, limit, filters)
    found = sorted([*changes, *accesses, *checks], key=lambda item: item["id"], reverse=True)
    return found[:limit]


def _newest(
    connection: Connection,
    table: type[AuditRecord] | type[AccessRecord],
    before: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
) -> Iterable[dict[str, Any]]:
    query = (
        select(*table.__table__.columns)
        # Registries of before have records of their own for these.
        .where(table.action.not_in(ANSWERED.values()))
        .order_by(table.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(table.id < before)
    for name, value in filters.items():
        query = query.where(table.__table__.columns[name] == value)
    return [dict(item._mapping) for item in connection.execute(query)]  # noqa: SLF001


def _newest_checks(
    connection: Connection, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    subjects = [
        select(func.count()).where(table.check_id == Check.id).scalar_subquery()
        for table in (CheckResult, RecentResult)
    ]
    same = ("id", "actor_id", "actor_name", "role", "department", "request_id")
    told = ("matter", "purpose", "case_no")
    query = (
        select(
            *(getattr(Check, name) for name in (*same, *told)),
            Check.kind,
            Check.asked_at,
            (subjects[0] + subjects[1]).label("subjects"),
        )
        .order_by(Check.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Check.id < before)
    for name, value in filters.items():
        query = query.where(_of_checks(name, value))
    return [
        {name: getattr(row, name) for name in same}
        | {
            "recorded_at": row.asked_at,
            "action": ANSWERED[row.kind],
            "outcome": "answered",
            "target": str(row.id),
            "detail": {name: getattr(row, name) for name in (*told, "subjects")},
        }
        for row in connection.execute(query)
    ]


def _of_checks(name: str, value: Any) -> ColumnElement[bool]:  # noqa: ANN401 - of any column
    """A filter of records, of the checks that stand for them."""
    if name == "action":
        return Check.kind.in_([kind for kind, action in ANSWERED.items() if action == value])
    if name == "outcome":
        return true() if value == "answered" else false()
    if name == "target":
        return Check.id == _id(value)
    return getattr(Check, name) == value  # type: ignore[no-any-return]


def _id(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None  # as it is written in every record
