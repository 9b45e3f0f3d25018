"""Reads of own reports: a report as it was issued, the list of all, and the proof of a print."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.errors import ReportNotFound
from app.http.pagination import PageRequest, make_cursor, read_id_cursor, split_page
from app.registry import Registry
from app.rights import store
from app.rights.schemas import (
    IssuedReportPage,
    IssuedReportView,
    ProofShown,
    ReportedName,
    Verification,
)
from app.rights.verification_code import parse_code
from app.rules.law import SubjectKind
from app.rules.own_report import ReportScope, require_person
from app.rules.permissions import Caller, Role
from app.rules.stored_json import JsonObject

ReportForm = Literal["json", "page"]


def read_issued_report(
    registry: Registry, caller: Caller, report_id: UUID, form: ReportForm
) -> JsonObject:
    """Read a report as it was issued, and record the read with the form of the response.

    The department that issued it may read it with the key of a person, and operators.

    Raises:
        PersonKeyRequired: the key of a department is bound to no person.
        ReportNotFound: there is no such report, another department issued it, or it contains an
            entry that was sealed later (wrong subject).
    """
    require_person(caller)
    with registry.database.reading_ledger() as connection:
        issued = store.get_report(connection, report_id)
    if issued is None or not _may_read(caller, issued.department):
        raise ReportNotFound
    report: JsonObject = issued.content
    if _contains_sealed_entry(registry, report):
        raise ReportNotFound
    audit.record_access(registry, caller, AuditAction.own_report_read, report_id, form=form)
    return report


def read_report_page(
    registry: Registry, caller: Caller, page: PageRequest, filters: Mapping[str, str]
) -> IssuedReportPage:
    """Read a page of the issued reports of all departments, the newest first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    before = read_id_cursor(page.cursor)
    with registry.database.reading_ledger() as connection:
        rows = store.read_newest_reports(connection, before, page.limit + 1, filters)
    shown, last = split_page(rows, page.limit)
    audit.record_access(registry, caller, AuditAction.own_reports_listed, filters=sorted(filters))
    return IssuedReportPage(
        reports=[_build_issued_report_view(row) for row in shown],
        next=last and make_cursor(last.id),
    )


def _build_issued_report_view(row: store.AnyRow) -> IssuedReportView:
    applicant = row.applicant
    return IssuedReportView(
        report_id=row.id,
        issued_at=row.issued_at,
        scope=row.scope or ReportScope.whole,
        department=row.department,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        person=row.person,
        subject=ReportedName(
            kind=row.subject_kind, name=_build_public_name(row.subject_kind, row.subject_name)
        ),
        asked=applicant["asked"],
        applicant=ProofShown(
            kind=applicant["kind"],
            proof_ref=applicant["proof_ref"],
            case_no=applicant["case_no"],
        ),
        sha256=row.sha256,
    )


def verify_report(registry: Registry, code: str) -> Verification | None:
    """Find the report of a code as typed from a print; None if there is none.

    Raises:
        NotReady, SecretKeyMismatch: the registry may answer nothing.
    """
    registry.require_ready()
    parsed_code = parse_code(code)
    if parsed_code is None:
        return None
    with registry.database.reading_ledger() as connection:
        issued = store.find_report_by_code(connection, parsed_code)
    if issued is None:
        return None
    return Verification(
        valid=True,
        report_id=issued.id,
        issued_at=issued.issued_at,
        subject_name=_build_public_name(issued.subject_kind, issued.subject_name),
        subject_kind=issued.subject_kind,
        scope=issued.scope or ReportScope.whole,
        sha256=issued.sha256,
        superseded=_contains_sealed_entry(registry, issued.content),
    )


def _may_read(caller: Caller, issuing_department: str | None) -> bool:
    if caller.role is Role.operator:
        return True
    return caller.department is not None and caller.department == issuing_department


def _contains_sealed_entry(registry: Registry, report: JsonObject) -> bool:
    entry_ids = {UUID(entry["id"]) for entry in report["entries"]}
    with registry.database.reading() as connection:
        return store.has_void_entry(connection, entry_ids)


def _build_public_name(kind: str, name: str) -> str:
    """Return the name as others see it: of a person the first character, then asterisks."""
    return name[:1].ljust(len(name), "*") if kind == SubjectKind.natural_person else name
