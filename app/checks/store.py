"""SQL of checks: what is known of the subjects asked for, and the record of the answer."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, delete, select
from uuid_utils.compat import uuid7

from app.db.prepared import Prepared, among, as_text, insert_many, insert_or
from app.db.tables import (
    Check,
    CheckResult,
    Outcome,
    RecentResult,
    Subject,
    SubjectIdentifier,
    SubjectName,
)
from app.rules.law import SubjectKind
from app.rules.text import fold_name
from app.subjects.store import LookupKey


class Matched(NamedTuple):
    """A recorded subject behind a key."""

    id: UUID
    kind: SubjectKind
    name: str
    name_key: str


UNDER_KEYS = Prepared(
    select(
        SubjectIdentifier.lookup_key,
        as_text(Subject.id),
        Subject.kind,
        Subject.name,
        Subject.name_key,
    )
    .join(Subject, Subject.id == SubjectIdentifier.subject_id)
    .where(
        SubjectIdentifier.scheme == bindparam("scheme"),
        among(SubjectIdentifier.lookup_key, "numbers"),
        SubjectIdentifier.current,
    )
)


def match_keys(connection: Connection, keys: Iterable[LookupKey]) -> dict[LookupKey, Matched]:
    """The recorded subjects behind numbers (and names of those known by name alone)."""
    by_scheme: dict[str, list[str]] = {}
    for scheme, number in keys:
        by_scheme.setdefault(scheme, []).append(number)
    # A query for each scheme: of all at once the database would try every number with every one.
    return {
        (scheme, number): Matched(UUID(subject_id), SubjectKind(kind), name, name_key)
        for scheme, numbers in by_scheme.items()
        for number, subject_id, kind, name, name_key in UNDER_KEYS.rows(
            connection, scheme=scheme, numbers=numbers
        )
    }


def match_names(connection: Connection, names: Iterable[str]) -> dict[str, list[Matched]]:
    """Organisations by the keys of their names, old and new; persons never."""
    rows = connection.execute(
        select(SubjectName.name_key, Subject.id, Subject.kind, Subject.name)
        .join(Subject, Subject.id == SubjectName.subject_id)
        .where(
            SubjectName.name_key.in_(set(names)),
            SubjectName.current,
            Subject.kind != SubjectKind.natural_person,
        )
        .order_by(Subject.id)
    )
    found: dict[str, list[Matched]] = {}
    for row in rows:
        matched = Matched(row.id, SubjectKind(row.kind), row.name, fold_name(row.name))
        found.setdefault(row.name_key, []).append(matched)
    return found


BY_ID = Prepared(
    select(as_text(Subject.id), Subject.kind, Subject.name, Subject.name_key).where(
        among(Subject.id, "ids")
    )
)


def get_subjects(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Matched]:
    """Subjects by their ids."""
    if not ids:
        return {}
    found = (
        Matched(UUID(subject_id), SubjectKind(kind), name, name_key)
        for subject_id, kind, name, name_key in BY_ID.rows(connection, ids=list(ids))
    )
    return {subject.id: subject for subject in found}


# --- the record (in the ledger) ------------------------------------------


def add_checks(
    connection: Connection,
    checks: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
) -> None:
    """Keep checks, and one line for each subject of them."""
    insert_many(connection, Check, checks)
    insert_many(connection, RecentResult, results)


def sort_results(connection: Connection, most: int) -> int:
    """Sort in some of the results that wait for it, of whole checks; how many there were.

    `most` is exceeded by the last check's. Several processes may do so at once: each takes out what
    it puts in.
    """
    oldest = select(RecentResult.check_id).order_by(RecentResult.check_id).limit(most).subquery()
    waiting = select(oldest.c.check_id)
    columns = RecentResult.__table__.columns
    taken = connection.execute(
        delete(RecentResult).where(RecentResult.check_id.in_(waiting)).returning(*columns)
    ).all()
    # In their order, so that neighbours share the pages of the index.
    rows = [dict(row._mapping) for row in sorted(taken, key=lambda row: row.asked_digest)]  # noqa: SLF001
    insert_many(connection, CheckResult, rows)
    return len(rows)


def get_check(connection: Connection, check_id: UUID) -> Row[Any] | None:
    """A check as it was answered then."""
    return connection.execute(
        select(*Check.__table__.columns).where(Check.id == check_id, Check.kind == "check")
    ).one_or_none()


def outcomes(connection: Connection, check_id: UUID) -> list[dict[str, Any]]:
    """What was reported back on a check, oldest first."""
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
    """Keep an outcome; False where one is recorded for that result, by whoever was first."""
    added = connection.execute(
        insert_or(connection, Outcome)
        .values(id=uuid7(), **values)
        .on_conflict_do_nothing(index_elements=["check_id", "ref"])
        .returning(Outcome.id)
    )
    return added.one_or_none() is not None
