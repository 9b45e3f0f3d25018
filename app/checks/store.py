"""SQL of checks: results, receipts and outcomes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select
from uuid_utils.compat import uuid7

from app.db.bulk import insert_in_dialect, insert_many
from app.db.tables import (
    Check,
    IndexedResult,
    Outcome,
    UnindexedResult,
)

# --- the record (in the ledger) ------------------------------------------


def add_checks(
    connection: Connection,
    checks: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> None:
    """Keep checks, and one line for each subject of them."""
    insert_many(connection, Check, checks)
    insert_many(connection, UnindexedResult, results)


def index_results(connection: Connection, limit: int) -> int:
    """Sort in some of the results that wait for it, of whole checks; how many there were.

    `most` is exceeded by the last check's. Several processes may do so at once: each takes out what
    it puts in.
    """
    oldest = (
        select(UnindexedResult.check_id).order_by(UnindexedResult.check_id).limit(limit).subquery()
    )
    check_ids = select(oldest.c.check_id)
    columns = UnindexedResult.__table__.columns
    deleted_rows = connection.execute(
        delete(UnindexedResult).where(UnindexedResult.check_id.in_(check_ids)).returning(*columns)
    ).all()
    # In their order, so that neighbours share the pages of the index.
    rows = [dict(row._mapping) for row in sorted(deleted_rows, key=lambda row: row.asked_digest)]  # noqa: SLF001
    insert_many(connection, IndexedResult, rows)
    return len(rows)


def get_check(connection: Connection, check_id: UUID) -> Row[Any] | None:
    """A check as it was answered then."""
    return connection.execute(
        select(*Check.__table__.columns).where(Check.id == check_id, Check.kind == "check")
    ).one_or_none()


def read_outcomes(connection: Connection, check_id: UUID) -> list[dict[str, Any]]:
    """Read the reported outcomes of a check, the oldest first."""
    columns = [
        column for column in Outcome.__table__.columns if column.name not in {"digest", "actor_id"}
    ]
    rows = connection.execute(
        select(*columns).where(Outcome.check_id == check_id).order_by(Outcome.id)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name


def get_outcome(connection: Connection, check_id: UUID, ref: str) -> Row[Any]:
    """The outcome that was recorded for one result."""
    return connection.execute(
        select(*Outcome.__table__.columns).where(Outcome.check_id == check_id, Outcome.ref == ref)
    ).one()


def add_outcome(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Insert an outcome; return False if the result has one already."""
    inserted = connection.execute(
        insert_in_dialect(connection, Outcome)
        .values(id=uuid7(), **values)
        .on_conflict_do_nothing(index_elements=["check_id", "ref"])
        .returning(Outcome.id)
    )
    return inserted.one_or_none() is not None
