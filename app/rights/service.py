"""Issuing a subject's own report."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clock import civil_day
from app.crypto import fingerprint
from app.db.engines import Connection
from app.errors import Sentence
from app.http.context import current_request_id
from app.registry import Registry
from app.rights import report_texts, store
from app.rights.documents import (
    BilingualJson,
    EarlierReportJson,
    QueryJson,
    ReportContentJson,
    ReportSubjectJson,
)
from app.rights.report_builder import (
    HeldData,
    build_body_view,
    build_earlier_reports,
    build_queries,
    read_held_data,
)
from app.rights.schemas import OwnReportRequest, ReportContent
from app.rights.subject_lookup import build_unrecorded_subject
from app.rights.verification_code import make_code
from app.rules.identifiers import Identifier, require_identifier
from app.rules.own_report import ReportScope, determine_report_scope, require_person
from app.rules.permissions import Caller
from app.rules.stored_json import JsonObject
from app.rules.text import fold_name
from app.security.service import CountedRequest, build_asked_number, count_numbers
from app.subjects.lookup_keys import build_lookup_key, compute_query_digest


class _Application(NamedTuple):
    """A request for a report: who enters it, when, for which number."""

    caller: Caller
    request: OwnReportRequest
    asked: Identifier
    at: datetime

    @property
    def folded_name(self) -> str:
        """The name of the request in the form in which names are compared."""
        return fold_name(self.request.name)


def issue_report(registry: Registry, caller: Caller, request: OwnReportRequest) -> JsonObject:
    """Issue a report of the data that the caller may show the subject.

    It is recorded before it is sent. A wrong name gets a report without a record, like a number
    that nobody recorded (`determine_report_scope`).

    Raises:
        InvalidPayload: the number is not valid under its scheme.
        PersonKeyRequired: the key of a department is bound to no person.
        SweepSuspected: the caller seems to search for personal numbers.
    """
    require_person(caller)
    application = _Application(
        caller, request, _parse_identifier(registry, request), registry.clock.now()
    )
    today = civil_day(application.at)
    with registry.database.reading() as connection:
        held = read_held_data(registry, connection, caller, application.asked, today)
    scope = determine_report_scope(caller, held.shown_names, application.folded_name)
    if scope is ReportScope.no_record:
        content = _build_empty_content(registry, application, held)
    else:
        with registry.database.reading_ledger() as connection:
            keys = held.subject_data.query_keys
            queries = build_queries(connection, caller, held.catalogue, keys, today)
            reports = build_earlier_reports(connection, caller, held.catalogue, keys)
        content = _build_content(application, held, scope, queries, reports)
    document = ReportContent.model_validate(content).model_dump(mode="json")
    report = {
        **document,
        "verification_code": make_code(),
        "sha256": fingerprint(document),
    }
    _record_report(registry, application, held, report)
    return report


def _parse_identifier(registry: Registry, request: OwnReportRequest) -> Identifier:
    return require_identifier(
        request.scheme, request.number, today=registry.clock.today(), pointer="/number"
    )


def _record_report(
    registry: Registry, application: _Application, held: HeldData, report: JsonObject
) -> None:
    """Record the report and its audit record in one transaction of the ledger.

    The same transaction counts the personal number. A refused report leaves an audit record with
    the digest of the number, too.

    Raises:
        SweepSuspected: the caller seems to search for personal numbers; there is no report.
    """
    digest_of_number = compute_query_digest(registry.secrets, application.asked, None)
    counted = _build_counted_request(registry, application, held)
    with registry.database.ledger() as connection:
        [refusal] = count_numbers(registry, connection, application.at, [counted])
        if refusal is None:
            _add_report(connection, application, held, report, digest_of_number)
        else:
            _add_refusal(connection, application, digest_of_number)
    if refusal is not None:  # raised only now, because the counts must be committed
        raise refusal


def _build_counted_request(
    registry: Registry, application: _Application, held: HeldData
) -> CountedRequest:
    """Build the personal number that the meter of sweeps counts.

    A name that the answer does not show does not count as another one: otherwise a refusal would
    disclose that the number is listed.
    """
    caller, asked = application.caller, application.asked
    numbers = []
    if asked.is_personal:
        number = build_asked_number(
            registry.secrets,
            caller,
            asked,
            build_lookup_key(asked, registry.secrets)[1],
            application.request.name,
            has_other_name=bool(held.shown_names)
            and application.folded_name not in held.shown_names,
            is_unmatched=not held.shown_names,
        )
        numbers.append(number)
    return CountedRequest(caller, "own_report", current_request_id(), numbers)


def _add_refusal(connection: Connection, application: _Application, digest_of_number: str) -> None:
    request = application.request
    record = audit.build_record(
        application.caller,
        application.at,
        AuditAction.own_report_issued,
        "refused",
        applicant=request.applicant.kind,
        proof_ref=request.applicant.proof_ref,
        case_no=request.case_no,
        asked=digest_of_number,
        person=application.caller.person,
    )
    audit.add_access(connection, record)


def _add_report(
    connection: Connection,
    application: _Application,
    held: HeldData,
    report: JsonObject,
    digest_of_number: str,
) -> None:
    caller, request = application.caller, application.request
    # A report without a record is about the number alone.
    is_about_number = report["scope"] == ReportScope.no_record
    subject = None if is_about_number else held.subject_data.subject
    store.add_report(
        connection,
        {
            "id": UUID(report["report_id"]),
            "verification_code": report["verification_code"],
            "issued_at": application.at,
            "subject_id": subject and subject.id,
            "subject_kind": report["subject"]["kind"],
            "subject_name": report["subject"]["name"],
            # The digest finds a report without a record again for its subject.
            "applicant": {**report["applicant"], "asked": digest_of_number},
            "content": report,
            "sha256": report["sha256"],
            "actor_id": caller.id,
            "actor_name": caller.name,
            "department": caller.department,
            "scope": report["scope"],
            "person": caller.person,
        },
    )
    record = audit.build_record(
        caller,
        application.at,
        AuditAction.own_report_issued,
        "answered",
        report["report_id"],
        subject_id=subject and subject.id,
        applicant=request.applicant.kind,
        proof_ref=request.applicant.proof_ref,
        case_no=request.case_no,
        sha256=report["sha256"],
        scope=report["scope"],
        asked=digest_of_number,
        person=caller.person,
    )
    audit.add_access(connection, record)


def _build_content(
    application: _Application,
    held: HeldData,
    scope: ReportScope,
    queries: list[QueryJson],
    reports: list[EarlierReportJson],
) -> ReportContentJson:
    reported = held.subject_data
    something = bool(held.entries or held.named_in)
    is_partial = scope is ReportScope.partial
    content = _build_frame(
        application,
        held,
        scope,
        {
            "kind": reported.kind,
            "recorded": bool(held.shown_names),
            "name": reported.subject.name if reported.subject else application.request.name,
            "former_names": reported.former_names,
            "identifiers": [each.view for each in reported.identifiers],
        },
    )
    return {
        **content,
        "scope_note": _build_bilingual(report_texts.PARTIAL) if is_partial else None,
        "held": something,
        "note": None if something else _build_bilingual(report_texts.NOTHING_HELD),
        "entries": held.entries,
        "named_in": held.named_in,
        "queries": queries,
        "reports": reports,
    }


def _build_empty_content(
    registry: Registry, application: _Application, held: HeldData
) -> ReportContentJson:
    """Build a report without a record: it shows only the request, and what its number shows."""
    reported = build_unrecorded_subject(registry.secrets, application.asked)
    return _build_frame(
        application,
        held,
        ReportScope.no_record,
        {
            "kind": reported.kind,
            "recorded": False,
            "name": application.request.name,
            "former_names": [],
            "identifiers": [each.view for each in reported.identifiers],
        },
    )


def _build_frame(
    application: _Application, held: HeldData, scope: ReportScope, subject: ReportSubjectJson
) -> ReportContentJson:
    """Build a report without entries, queries and earlier reports."""
    caller, request = application.caller, application.request
    return {
        "report_id": uuid7(),
        "issued_at": application.at,
        "on": civil_day(application.at),
        "epoch": held.head.epoch,
        "seq": held.head.seq,
        "catalogue_version": held.catalogue.version,
        "subject": subject,
        "applicant": {
            "kind": request.applicant.kind,
            "name": request.applicant.name,
            "proof_ref": request.applicant.proof_ref,
            "case_no": request.case_no,
        },
        "issued_by": {
            "role": caller.role,
            "department": build_body_view(held.catalogue, caller.department),
        },
        "scope": scope,
        "scope_note": None,
        "held": False,
        "note": _build_bilingual(report_texts.NO_RECORD),
        "entries": [],
        "named_in": [],
        "queries": [],
        "queries_note": _build_bilingual(report_texts.QUERIES_NOTE),
        "reports": [],
        "rights": {
            "objection": _build_bilingual(report_texts.OBJECTION),
            "repair": _build_bilingual(report_texts.REPAIR),
            "free_of_charge": _build_bilingual(report_texts.FREE_OF_CHARGE),
            "no_statement_of_credit": _build_bilingual(
                report_texts.NO_STATEMENT_OF_CREDIT
                if scope is ReportScope.whole
                else report_texts.NO_STATEMENT_OF_CREDIT_IN_PART
            ),
        },
    }


def _build_bilingual(sentence: Sentence) -> BilingualJson:
    return {"zh": sentence.zh, "en": sentence.en}
