"""Subjects as a caller may see them: read in batches, like checks, and every read is recorded."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypedDict
from uuid import UUID

import orjson

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.audit.service import AuditValues
from app.checks.queries import (
    Finding,
    Moment,
    build_warning_views,
    evaluate_subjects,
    read_moment,
    require_not_future,
)
from app.db.engines import Connection
from app.errors import Forbidden, SubjectNotFound
from app.registry import Registry
from app.rules.identifiers import Identifier
from app.rules.law import SubjectKind
from app.rules.permissions import Caller
from app.subjects.lookup_keys import build_query_keys
from app.subjects.queries import find_by_ids, find_by_keys, read_folded_names, read_profiles
from app.subjects.records import FoundSubject, SubjectProfile


class PastMoment(TypedDict, total=False):
    """A past day and instant, for the audit record; empty for the present."""

    on: date | None
    known_at: datetime | None


class SubjectQuery(NamedTuple):
    """A request to read a subject, by its number or its id."""

    caller: Caller
    target: Identifier | UUID
    chinese: bool
    request_id: str | None
    on: date | None = None
    """A past day, and an instant whose knowledge counts: for auditors and operators."""
    known_at: datetime | None = None

    @property
    def past_moment(self) -> PastMoment:
        """The past day and instant; empty for the present."""
        return {"on": self.on, "known_at": self.known_at} if self.on or self.known_at else {}


def read_past_subject(registry: Registry, query: SubjectQuery) -> bytes:
    """Read a subject at a past moment: its entries as known then, and the names of today.

    Raises:
        Forbidden: the past is for auditors and operators.
        InvalidPayload: the moment lies in the future.
        SubjectNotFound: the registry holds nothing that the caller may see.
    """
    if not query.caller.has_oversight:
        raise Forbidden
    require_not_future(registry, query.on, query.known_at, "?")
    [result] = read_subjects(registry, [query], on=query.on, known_at=query.known_at)
    if isinstance(result, Exception):
        raise result
    return result


def read_subjects(
    registry: Registry,
    queries: Sequence[SubjectQuery],
    *,
    on: date | None = None,
    known_at: datetime | None = None,
) -> list[bytes | Exception]:
    """Read subjects from one snapshot, in JSON (`schemas.SubjectView`) or as `SubjectNotFound`.

    Only auditors and operators may read a natural person by id: others look up number and name with
    a case.
    """
    with registry.database.reading_for_checks() as connection:
        moment = read_moment(registry, connection, on=on, known_at=known_at)
        subjects_by_index = _match_subjects(registry, connection, queries)
        findings_by_index = _evaluate_visible_subjects(
            connection, queries, subjects_by_index, moment
        )
        profiles = read_profiles(
            connection, {subjects_by_index[place].id for place in findings_by_index}
        )
    read_at = registry.clock.now()
    records = [
        _build_audit_record(
            queries[index], subjects_by_index[index].id, read_at, queries[index].request_id
        )
        for index in findings_by_index
    ]
    if records:
        with registry.database.ledger() as connection:
            audit.add_access(connection, *records)
    return [
        _build_body(
            profiles[subjects_by_index[place].id],
            findings_by_index[place],
            moment,
            chinese=query.chinese,
        )
        if place in findings_by_index
        else SubjectNotFound()
        for place, query in enumerate(queries)
    ]


def _match_subjects(
    registry: Registry, connection: Connection, queries: Sequence[SubjectQuery]
) -> dict[int, FoundSubject]:
    """Find the recorded subjects of the queries, by the index of the query."""
    keys_by_index = {
        index: build_query_keys(query.target, registry.secrets)
        for index, query in enumerate(queries)
        if isinstance(query.target, Identifier)
    }
    by_key = find_by_keys(
        connection, {key for query_keys in keys_by_index.values() for key in query_keys}
    )
    by_id = find_by_ids(
        connection, [query.target for query in queries if isinstance(query.target, UUID)]
    )
    subjects_by_index: dict[int, FoundSubject] = {}
    for place, query in enumerate(queries):
        if isinstance(query.target, UUID):
            subject = by_id.get(query.target)
        else:
            subject = next((by_key[key] for key in keys_by_index[place] if key in by_key), None)
        if subject is not None:
            subjects_by_index[place] = subject
    return subjects_by_index


def _evaluate_visible_subjects(
    connection: Connection,
    queries: Sequence[SubjectQuery],
    subjects_by_index: Mapping[int, FoundSubject],
    moment: Moment,
) -> dict[int, Finding]:
    """Evaluate the subjects that the callers may see, by the index of the query."""
    callers_and_subjects = {
        index: (queries[index].caller, subject)
        for index, subject in subjects_by_index.items()
        if subject.kind is not SubjectKind.natural_person or queries[index].caller.has_oversight
    }
    findings_by_index = dict(
        zip(
            callers_and_subjects,
            evaluate_subjects(connection, callers_and_subjects.values(), moment),
            strict=True,
        )
    )
    # A subject without a valid decision is known by sealed entries alone.
    ids_without_entries = [
        subjects_by_index[place].id
        for place, finding in findings_by_index.items()
        if not finding.is_found
    ]
    folded_names = read_folded_names(connection, ids_without_entries) if ids_without_entries else {}
    return {
        place: finding
        for place, finding in findings_by_index.items()
        if finding.is_found
        or (queries[place].caller.has_oversight and subjects_by_index[place].id in folded_names)
    }


def _build_audit_record(
    query: SubjectQuery, subject_id: UUID, read_at: datetime, request_id: str | None
) -> AuditValues:
    number_detail = {"uscc": query.target.number} if isinstance(query.target, Identifier) else {}
    row = audit.build_record(
        query.caller,
        read_at,
        AuditAction.subject_read,
        "answered",
        subject_id,
        **number_detail,
        **query.past_moment,
    )
    return row | {"request_id": request_id}


def _build_body(
    profile: SubjectProfile, finding: Finding, moment: Moment, *, chinese: bool
) -> bytes:
    return orjson.dumps(
        {
            **profile,
            "on": moment.on,
            "epoch": moment.epoch,
            "seq": moment.seq,
            "catalogue_version": moment.catalogue.version,
            "standing": finding.standing,
            "entries": finding.entries,
            "warnings": build_warning_views(finding, chinese=chinese),
        }
    )
