"""SQL of checks: receipts, their results and their outcomes, all in the ledger."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

import orjson
from sqlalchemy import Connection, delete, select
from uuid_utils.compat import uuid7

from app.db.statements import insert_in_dialect, insert_many
from app.db.tables import Check, IndexedResult, Outcome, UnindexedResult


class CheckRow(TypedDict):
    """The columns of a receipt (table `checks`)."""

    id: UUID
    kind: str
    asked_at: datetime
    actor_id: UUID | None
    actor_name: str
    role: str
    department: str | None
    request_id: str | None
    matter: str | None
    purpose: str
    case_no: str | None
    on: date
    epoch: int
    seq: int
    catalogue_version: str
    answer: orjson.Fragment
    withheld_until: date | None
    withheld_basis: str | None


class ResultRow(TypedDict):
    """The columns of one result of a check (table `recent_results`)."""

    check_id: UUID
    position: int
    asked_digest: str
    subject_id: UUID | None
    standing: str


class OutcomeRow(TypedDict):
    """The columns of a new outcome (table `outcomes`) except its id."""

    check_id: UUID
    ref: str
    action: str
    measures: list[str]
    remark: str | None
    digest: str
    recorded_at: datetime
    actor_id: UUID | None
    actor_name: str


class AnsweredMeasure(TypedDict):
    """The part of a measure in a recorded answer that the registry reads again."""

    code: str


class AnsweredResult(TypedDict):
    """The part of a result in a recorded answer that the registry reads again."""

    ref: str
    measures: list[AnsweredMeasure]


class RecordedAnswer(TypedDict):
    """A recorded answer in the form of its time; only `results` is read again."""

    results: list[AnsweredResult]


class RecordedCheck(NamedTuple):
    """A recorded check with its answer."""

    actor_name: str
    department: str | None
    purpose: str
    case_no: str | None
    answer: RecordedAnswer
    withheld_until: date | None
    withheld_basis: str | None


class RecordedOutcome(NamedTuple):
    """A recorded outcome; `digest` is the fingerprint of the report."""

    id: UUID
    check_id: UUID
    ref: str
    action: str
    measures: list[str]
    remark: str | None
    recorded_at: datetime
    actor_name: str
    digest: str


_CHECK_COLUMNS = [Check.__table__.columns[name] for name in RecordedCheck._fields]
_OUTCOME_COLUMNS = [Outcome.__table__.columns[name] for name in RecordedOutcome._fields]


def add_checks(
    connection: Connection, checks: Sequence[CheckRow], results: Sequence[ResultRow]
) -> None:
    """Insert receipts, and one row for each subject of them."""
    insert_many(connection, Check, checks)
    insert_many(connection, UnindexedResult, results)


def index_results(connection: Connection, limit: int) -> int:
    """Move the oldest results into the index, always whole checks; return their number.

    The last check may exceed `limit`. Several processes may run this at the same time: each moves
    only the rows that it deletes itself.
    """
    oldest = (
        select(UnindexedResult.check_id).order_by(UnindexedResult.check_id).limit(limit).subquery()
    )
    check_ids = select(oldest.c.check_id)
    columns = UnindexedResult.__table__.columns
    deleted_rows = connection.execute(
        delete(UnindexedResult).where(UnindexedResult.check_id.in_(check_ids)).returning(*columns)
    ).all()
    # In the order of the index: neighbours share its pages.
    rows = [dict(row._mapping) for row in sorted(deleted_rows, key=lambda row: row.asked_digest)]  # noqa: SLF001
    insert_many(connection, IndexedResult, rows)
    return len(rows)


def get_check(connection: Connection, check_id: UUID) -> RecordedCheck | None:
    """Return a check, but no lookup, as it was recorded."""
    row = connection.execute(
        select(*_CHECK_COLUMNS).where(Check.id == check_id, Check.kind == "check")
    ).one_or_none()
    return None if row is None else RecordedCheck(*row)


def read_asked_digests(connection: Connection, check_id: UUID) -> set[str]:
    """Return the keyed digests of the subjects of a check."""
    tables = (IndexedResult, UnindexedResult)
    statements = [select(each.asked_digest).where(each.check_id == check_id) for each in tables]
    return {digest for each in statements for digest in connection.scalars(each)}


def read_outcomes(connection: Connection, check_id: UUID) -> list[RecordedOutcome]:
    """Return the outcomes of a check, oldest first."""
    rows = connection.execute(
        select(*_OUTCOME_COLUMNS).where(Outcome.check_id == check_id).order_by(Outcome.id)
    )
    return [RecordedOutcome(*row) for row in rows]


def get_outcome(connection: Connection, check_id: UUID, ref: str) -> RecordedOutcome:
    """Return the recorded outcome of one result, which must exist."""
    row = connection.execute(
        select(*_OUTCOME_COLUMNS).where(Outcome.check_id == check_id, Outcome.ref == ref)
    ).one()
    return RecordedOutcome(*row)


def add_outcome(connection: Connection, values: OutcomeRow) -> bool:
    """Insert an outcome; return False if the result has one already."""
    inserted = connection.execute(
        insert_in_dialect(connection, Outcome)
        .values(id=uuid7(), **values)
        .on_conflict_do_nothing(index_elements=["check_id", "ref"])
        .returning(Outcome.id)
    )
    return inserted.one_or_none() is not None
