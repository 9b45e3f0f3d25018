"""Reads of own reports: a report as it was issued, and the proof of a print."""

from typing import Literal
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.errors import ReportNotFound
from app.registry import Registry
from app.rights import store
from app.rights.schemas import Verification
from app.rights.verification_code import parse_code
from app.rules.law import SubjectKind
from app.rules.permissions import Caller, Role
from app.rules.stored_json import JsonObject

ReportForm = Literal["json", "page"]


def read_issued_report(
    registry: Registry, caller: Caller, report_id: UUID, form: ReportForm
) -> JsonObject:
    """Read a report as it was issued, and record the read with the form of the response.

    The department that issued it may read it, and operators.

    Raises:
        ReportNotFound: there is no such report, another department issued it, or it contains an
            entry that was sealed later (wrong subject).
    """
    with registry.database.reading_ledger() as connection:
        issued = store.get_report(connection, report_id)
    if issued is None or not _may_read(caller, issued.department):
        raise ReportNotFound
    report: JsonObject = issued.content
    if _contains_sealed_entry(registry, report):
        raise ReportNotFound
    audit.record_access(registry, caller, AuditAction.own_report_read, report_id, form=form)
    return report


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
    is_person = issued.subject_kind == SubjectKind.natural_person
    return Verification(
        valid=True,
        report_id=issued.id,
        issued_at=issued.issued_at,
        subject_name=_mask_name(issued.subject_name) if is_person else issued.subject_name,
        subject_kind=issued.subject_kind,
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


def _mask_name(name: str) -> str:
    """Return the name of a person as others see it: the first character, then asterisks."""
    return name[:1].ljust(len(name), "*")
