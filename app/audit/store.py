"""SQL of the audit trail."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, false, func, insert, select, true

from app.audit.actions import AuditAction
from app.db.statements import insert_in_dialect, insert_many
from app.db.tables import (
    AccessRecord,
    Alarm,
    AuditRecord,
    Check,
    IndexedResult,
    UnindexedResult,
    UnknownCaller,
)
from app.rules.stored_json import JsonObject


class AuditValues(TypedDict):
    """The columns of a record; only the record of a change has a `seq`."""

    id: UUID
    recorded_at: datetime
    actor_id: UUID | None
    actor_name: str
    role: str
    department: str | None
    action: str
    outcome: str
    target: str | None
    request_id: str | None
    detail: JsonObject
    seq: NotRequired[int | None]


class AuditRow(NamedTuple):
    """One record of the trail."""

    id: UUID
    recorded_at: datetime
    actor_id: UUID | None
    actor_name: str
    role: str
    department: str | None
    action: str
    outcome: str
    target: str | None
    request_id: str | None
    detail: JsonObject
    seq: int | None = None


ACCESS_COLUMNS = AuditRow._fields[:-1]

CHECK_ACTIONS: Mapping[str, AuditAction] = {
    "check": AuditAction.check_answered,
    "lookup": AuditAction.subject_looked_up,
}
"""Actions whose records are the checks and look-ups themselves, by their kind."""


def add_changes(connection: Connection, records: Sequence[AuditValues]) -> None:
    """Insert records of changes; `seq` is null unless the record has it."""
    insert_many(connection, AuditRecord, [{"seq": None, **record} for record in records])


def add_accesses(connection: Connection, records: Sequence[AuditValues]) -> None:
    """Insert records of reads and refusals."""
    insert_many(connection, AccessRecord, records)


def count_unknown_caller(connection: Connection, source: str, minute: datetime) -> None:
    """Add one to the attempts of a source within a minute."""
    statement = insert_in_dialect(connection, UnknownCaller).values(
        source=source[:80], minute=minute, attempts=1
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "minute"],
            set_={"attempts": UnknownCaller.attempts + 1},
        )
    )


def read_newest(
    connection: Connection,
    table: type[AuditRecord] | type[AccessRecord],
    before: UUID | None,
    limit: int,
    filters: Mapping[str, Any],
) -> Iterable[AuditRow]:
    """Read the newest records of a table, with ids before `before`."""
    columns = table.__table__.columns
    names = AuditRow._fields if table is AuditRecord else ACCESS_COLUMNS
    query = (
        select(*(columns[name] for name in names))
        # Registries of earlier releases have records of their own for these.
        .where(table.action.not_in(CHECK_ACTIONS.values()))
        .order_by(table.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(table.id < before)
    for name, value in filters.items():
        query = query.where(columns[name] == value)
    return [AuditRow(*item) for item in connection.execute(query)]


def add_alarm(connection: Connection, record_id: UUID) -> None:
    """Put a record of the ledger on the list of alarms."""
    connection.execute(insert(Alarm).values(record_id=record_id))


def read_newest_alarms(
    connection: Connection, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> list[AuditRow]:
    """Read the newest records that are alarms, with ids before `before`."""
    columns = AccessRecord.__table__.columns
    query = (
        select(*(columns[name] for name in ACCESS_COLUMNS))
        .join(Alarm, Alarm.record_id == AccessRecord.id)
        .order_by(Alarm.record_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Alarm.record_id < before)
    for name, value in filters.items():
        query = query.where(columns[name] == value)
    return [AuditRow(*item) for item in connection.execute(query)]


def read_newest_checks(
    connection: Connection, before: UUID | None, limit: int, filters: Mapping[str, Any]
) -> Iterable[AuditRow]:
    """Read the newest checks and look-ups in the form of audit records."""
    subjects = [
        select(func.count()).where(table.check_id == Check.id).scalar_subquery()
        for table in (IndexedResult, UnindexedResult)
    ]
    same = ("id", "actor_id", "actor_name", "role", "department", "request_id")
    shown = ("matter", "purpose", "case_no")
    query = (
        select(
            *(getattr(Check, name) for name in (*same, *shown)),
            Check.kind,
            Check.asked_at,
            Check.withheld_until,
            Check.withheld_basis,
            (subjects[0] + subjects[1]).label("subjects"),
        )
        .order_by(Check.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Check.id < before)
    for name, value in filters.items():
        query = query.where(_match_checks(name, value))
    return [
        AuditRow(
            id=row.id,
            recorded_at=row.asked_at,
            actor_id=row.actor_id,
            actor_name=row.actor_name,
            role=row.role,
            department=row.department,
            action=CHECK_ACTIONS[row.kind],
            outcome="answered",
            target=str(row.id),
            request_id=row.request_id,
            detail={
                **{name: getattr(row, name) for name in (*shown, "subjects")},
                **_build_investigation(row.withheld_basis, row.withheld_until),
            },
        )
        for row in connection.execute(query)
    ]


def _build_investigation(basis: str | None, until: date | None) -> JsonObject:
    """Return the investigation that hides a check from its subject, never from auditors."""
    return {} if until is None else {"investigation": {"basis": basis, "until": until.isoformat()}}


def _match_checks(name: str, value: Any) -> ColumnElement[bool]:  # noqa: ANN401 - of any column
    """Translate a filter of records into one of the checks that are their own records."""
    if name == "action":
        return Check.kind.in_([kind for kind, action in CHECK_ACTIONS.items() if action == value])
    if name == "outcome":
        return true() if value == "answered" else false()
    if name == "target":
        return Check.id == _parse_id(value)
    return getattr(Check, name) == value  # type: ignore[no-any-return]


def _parse_id(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None  # the form of every record
