"""SQL of own reports: the entries of a subject, and the queries about it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    exists,
    false,
    insert,
    or_,
    select,
    union_all,
)

from app.db.tables import (
    Check,
    Entry,
    EntryPerson,
    EntryVersion,
    IndexedResult,
    IssuedReport,
    Outcome,
    RedressCase,
    UnindexedResult,
)
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.rules.identity import LookupKey
from app.rules.own_report import ReportScope

AnyRow = Row[*tuple[Any, ...]]

# --- in the registry -----------------------------------------------------


def read_entries_naming(
    connection: Connection, keys: Iterable[LookupKey], day: date
) -> list[EntryRow]:
    """Read entries in which a responsible person ever had one of these numbers."""
    named = or_(
        false(),
        *(
            and_(EntryPerson.scheme == scheme, EntryPerson.lookup_key == key)
            for scheme, key in sorted(keys)
        ),
    )
    return entries.read_rows(
        connection,
        entries.select_entries_as_of(day)
        .where(Entry.id.in_(select(EntryPerson.entry_id).where(named)))
        .order_by(Entry.id),
    )


def read_histories(connection: Connection, subject_id: UUID) -> dict[UUID, list[AnyRow]]:
    """The versions of a subject's entries, oldest first."""
    version = EntryVersion
    rows = connection.execute(
        select(
            version.entry_id,
            version.version,
            version.recorded_at,
            version.action,
            version.change_reason,
        )
        .where(version.subject_id == subject_id)
        .order_by(version.seq)
    )
    return _group_by_entry(rows)


def read_cases(connection: Connection, entry_ids: Iterable[UUID]) -> dict[UUID, list[AnyRow]]:
    """Objections to entries and applications for their repair, oldest first."""
    wanted = set(entry_ids)
    if not wanted:
        return {}
    rows = connection.execute(
        select(*RedressCase.__table__.columns)
        .where(RedressCase.entry_id.in_(wanted))
        .order_by(RedressCase.id)
    )
    return _group_by_entry(rows)


def _group_by_entry(rows: Iterable[AnyRow]) -> dict[UUID, list[AnyRow]]:
    found: dict[UUID, list[AnyRow]] = {}
    for row in rows:
        found.setdefault(row.entry_id, []).append(row)
    return found


# --- in the ledger -------------------------------------------------------


class QueryKeys(NamedTuple):
    """The keys under which the ledger knows a subject.

    `own_digests` are the digests of its own numbers. A query that found it by another number or
    name counts too, unless a decision on a wrong subject gave that number or name
    (`foreign_digests`): then the query meant another subject.
    """

    subject_id: UUID | None
    own_digests: frozenset[str]
    foreign_digests: frozenset[str]


def read_queries(connection: Connection, query_keys: QueryKeys, day: date) -> Sequence[AnyRow]:
    """Read checks and look-ups that the subject may see on a day, the oldest first."""
    results = _select_results_about(query_keys)
    return connection.execute(
        select(
            Check.id,
            Check.kind,
            Check.asked_at,
            Check.role,
            Check.department,
            Check.matter,
            Check.purpose,
            Check.case_no,
            Check.withheld_until,
            Check.withheld_basis,
            results.c.position,
            results.c.standing,
        )
        .join(results, Check.id == results.c.check_id)
        .where(is_visible_on(day))
        .order_by(Check.asked_at, Check.id, results.c.position)
    ).all()


def is_visible_on(day: date) -> ColumnElement[bool]:
    """Questions whose delay, if they had one, has passed."""
    return or_(Check.withheld_until.is_(None), Check.withheld_until < day)


def _select_results_about(query_keys: QueryKeys) -> Subquery:
    """Select the results of checks about a subject, indexed or not yet."""
    return union_all(
        *(
            select(table.check_id, table.position, table.standing).where(
                _matches_subject(table, query_keys)
            )
            for table in (IndexedResult, UnindexedResult)
        )
    ).subquery()


def _matches_subject(
    table: type[IndexedResult] | type[UnindexedResult], query_keys: QueryKeys
) -> ColumnElement[bool]:
    by_number = table.asked_digest.in_(query_keys.own_digests)
    if query_keys.subject_id is None:
        return by_number
    return or_(
        by_number,
        and_(
            table.subject_id == query_keys.subject_id,
            table.asked_digest.not_in(query_keys.foreign_digests),
        ),
    )


def read_outcomes(
    connection: Connection, query_keys: QueryKeys, day: date
) -> dict[tuple[UUID, int], AnyRow]:
    """Read reported outcomes of the answers on a subject, by check and position."""
    results = _select_results_about(query_keys)
    visible_checks = (
        select(results.c.check_id)
        .join(Check, Check.id == results.c.check_id)
        .where(is_visible_on(day))
    )
    # A check may have a thousand subjects: read each once, and only where an outcome was reported.
    answers = connection.execute(
        select(Check.id, Check.answer).where(
            Check.id.in_(visible_checks), exists().where(Outcome.check_id == Check.id)
        )
    )
    positions = {
        (row.id, result["ref"]): position
        for row in answers
        for position, result in enumerate(row.answer["results"])
    }
    rows = connection.execute(
        select(*Outcome.__table__.columns)
        .where(Outcome.check_id.in_(visible_checks))
        .order_by(Outcome.id)
    )
    return {(row.check_id, positions[row.check_id, row.ref]): row for row in rows}


def read_earlier_reports(connection: Connection, query_keys: QueryKeys) -> list[AnyRow]:
    """Reports that were issued about a subject before, oldest first."""
    report = IssuedReport
    asked = report.applicant["asked"].as_string()
    # The index finds those of the subject; a report without a record has none, but its number.
    about = and_(report.subject_id.is_(None), asked.in_(query_keys.own_digests))
    if query_keys.subject_id is not None:
        own = report.subject_id == query_keys.subject_id
        about = or_(about, and_(own, asked.not_in(query_keys.foreign_digests)))
    rows = connection.execute(
        select(report.id, report.issued_at, report.department, report.applicant, report.scope)
        .where(about)
        .order_by(report.issued_at, report.id)
    )
    return list(rows)


def add_report(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert a report before it is sent."""
    connection.execute(insert(IssuedReport).values(**values))


def get_report(connection: Connection, report_id: UUID) -> AnyRow | None:
    """A report by its id."""
    return connection.execute(_select_reports().where(IssuedReport.id == report_id)).one_or_none()


def find_report_by_code(connection: Connection, code: str) -> AnyRow | None:
    """A report by the code on its print."""
    return connection.execute(
        _select_reports().where(IssuedReport.verification_code == code)
    ).one_or_none()


def read_newest_reports(
    connection: Connection, before: UUID | None, limit: int, filters: Mapping[str, str]
) -> Sequence[AnyRow]:
    """Read the newest reports without their content, with ids before `before`.

    `filters` are equalities by name: department, scope, asked.
    """
    report = IssuedReport
    columns = [column for column in report.__table__.columns if column.name != "content"]
    query = select(*columns).order_by(report.id.desc()).limit(limit)
    if before is not None:
        query = query.where(report.id < before)
    for name, value in filters.items():
        query = query.where(_matches_filter(name, value))
    return connection.execute(query).all()


def _matches_filter(name: str, value: str) -> ColumnElement[bool]:
    report = IssuedReport
    if name == "asked":
        return cast("ColumnElement[bool]", report.applicant["asked"].as_string() == value)
    if name == "scope" and value == ReportScope.whole:
        return or_(report.scope == value, report.scope.is_(None))
    return getattr(report, name) == value  # type: ignore[no-any-return]


def _select_reports() -> Select[Any]:
    return select(*IssuedReport.__table__.columns)


def has_void_entry(connection: Connection, ids: Collection[UUID]) -> bool:
    """Return True if one of the entries was revoked as void since."""
    version = EntryVersion
    found = select(version.entry_id).where(
        version.entry_id.in_(ids), version.superseded_seq.is_(None), version.void.is_(True)
    )
    return bool(ids) and connection.scalar(found.limit(1)) is not None
