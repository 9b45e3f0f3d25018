"""Issuing a subject's own report."""

from datetime import datetime

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.clock import civil_day
from app.crypto import fingerprint
from app.errors import NameMismatch, Sentence
from app.registry import Registry
from app.rights import report_texts, store
from app.rights.documents import (
    BilingualJson,
    EarlierReportJson,
    QueryJson,
    ReportContentJson,
)
from app.rights.report_builder import (
    HeldData,
    build_body_view,
    build_earlier_reports,
    build_queries,
    read_held_data,
)
from app.rights.schemas import OwnReportRequest, ReportContent
from app.rights.verification_code import make_code
from app.rules.identifiers import Identifier, require_identifier
from app.rules.permissions import Caller
from app.rules.stored_json import JsonObject
from app.rules.text import fold_name
from app.subjects.lookup_keys import compute_query_digest


def issue_report(registry: Registry, caller: Caller, request: OwnReportRequest) -> JsonObject:
    """Issue a report of all data held on a subject; it is recorded before it is sent.

    Raises:
        InvalidPayload: the number is not valid under its scheme.
        NameMismatch: the number is recorded under other names. Nothing more is disclosed or
            recorded.
    """
    now = registry.clock.now()
    today = civil_day(now)
    asked = _parse_identifier(registry, request)
    with registry.database.reading() as connection:
        held = read_held_data(registry, connection, asked, today)
    if held.name_keys and fold_name(request.name) not in held.name_keys:
        raise NameMismatch
    with registry.database.reading_ledger() as connection:
        queries = build_queries(connection, held.catalogue, held.subject_data.query_keys, today)
        reports = build_earlier_reports(connection, held.catalogue, held.subject_data.query_keys)
    content = _build_content(caller, request, held, now, queries, reports)
    document = ReportContent.model_validate(content).model_dump(mode="json")
    digest = fingerprint(document)
    report = {**document, "verification_code": make_code(), "sha256": digest}
    subject = held.subject_data.subject
    with registry.database.ledger() as connection:
        store.add_report(
            connection,
            {
                "id": content["report_id"],
                "verification_code": report["verification_code"],
                "issued_at": now,
                "subject_id": subject and subject.id,
                "subject_kind": document["subject"]["kind"],
                "subject_name": document["subject"]["name"],
                # The digest finds a report without held data again for its subject.
                "applicant": {
                    **document["applicant"],
                    "asked": compute_query_digest(registry.secrets, asked, None),
                },
                "content": report,
                "sha256": digest,
                "actor_id": caller.id,
                "actor_name": caller.name,
                "department": caller.department,
            },
        )
        record = audit.build_record(
            caller,
            now,
            AuditAction.own_report_issued,
            "answered",
            content["report_id"],
            subject_id=subject and subject.id,
            applicant=request.applicant.kind,
            proof_ref=request.applicant.proof_ref,
            case_no=request.case_no,
            sha256=digest,
        )
        audit.add_access(connection, record)
    return report


def _parse_identifier(registry: Registry, request: OwnReportRequest) -> Identifier:
    return require_identifier(
        request.scheme, request.number, today=registry.clock.today(), pointer="/number"
    )


def _build_content(
    caller: Caller,
    request: OwnReportRequest,
    held: HeldData,
    now: datetime,
    queries: list[QueryJson],
    reports: list[EarlierReportJson],
) -> ReportContentJson:
    reported = held.subject_data
    something = bool(held.entries or held.named_in)
    return {
        "report_id": uuid7(),
        "issued_at": now,
        "on": civil_day(now),
        "epoch": held.head.epoch,
        "seq": held.head.seq,
        "catalogue_version": held.catalogue.version,
        "subject": {
            "kind": reported.kind,
            "recorded": bool(held.name_keys),
            "name": reported.subject.name if reported.subject else request.name,
            "former_names": reported.former_names,
            "identifiers": reported.identifiers,
        },
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
        "held": something,
        "note": None if something else _build_bilingual(report_texts.NOTHING_HELD),
        "entries": held.entries,
        "named_in": held.named_in,
        "queries": queries,
        "queries_note": _build_bilingual(report_texts.QUERIES_NOTE),
        "reports": reports,
        "rights": {
            "objection": _build_bilingual(report_texts.OBJECTION),
            "repair": _build_bilingual(report_texts.REPAIR),
            "free_of_charge": _build_bilingual(report_texts.FREE_OF_CHARGE),
            "no_statement_of_credit": _build_bilingual(report_texts.NO_STATEMENT_OF_CREDIT),
        },
    }


def _build_bilingual(sentence: Sentence) -> BilingualJson:
    return {"zh": sentence.zh, "en": sentence.en}
