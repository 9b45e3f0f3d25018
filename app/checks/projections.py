"""Findings on the wire: entries as an approval officer sees them, warnings in their language."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.checks.questions import Finding, Moment
from app.checks.schemas import NOT_FOUND_NOTE
from app.rules.verdict import Standing
from app.subjects.records import FoundSubject


def build_matched_subject(match: FoundSubject | None) -> dict[str, Any] | None:
    """A matched subject on the wire."""
    if match is None:
        return None
    return {"id": str(match.id), "kind": match.kind, "name": match.name}


def build_warning_views(finding: Finding, *, chinese: bool) -> list[dict[str, str]]:
    """Warnings in the reader's language."""
    return [
        {"code": code, "detail": sentence.zh if chinese else sentence.en}
        for code, sentence in finding.warnings
    ]


def build_note(finding: Finding, *, chinese: bool) -> str | None:
    """Return the note that an empty answer is no proof of good credit."""
    if finding.is_found or finding.standing is not Standing.none:
        return None
    return NOT_FOUND_NOTE.zh if chinese else NOT_FOUND_NOTE.en


def build_check_answer(
    check_id: UUID | None,
    checked_at: datetime,
    moment: Moment,
    matter: str,
    findings: Sequence[Finding],
    *,
    chinese: bool,
) -> dict[str, Any]:
    """The answer of a check (`schemas.CheckAnswer`)."""
    return {
        "check_id": check_id and str(check_id),
        "checked_at": format_instant(checked_at),
        "on": moment.on.isoformat(),
        "matter": matter,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "results": [_build_check_result(finding, matter, chinese=chinese) for finding in findings],
    }


def _build_check_result(finding: Finding, matter: str, *, chinese: bool) -> dict[str, Any]:
    error = finding.error
    return {
        "ref": finding.ref,
        "found": finding.is_found,
        "standing": finding.standing,
        "subject": build_matched_subject(finding.subject),
        "entries": finding.entries,
        "measures": finding.measures,
        "suppressed": finding.suppressed,
        "warnings": build_warning_views(finding, chinese=chinese),
        "digest": finding.compute_digest(matter),
        "note": build_note(finding, chinese=chinese),
        "error": error and {"code": error[0], "detail": error[1].zh if chinese else error[1].en},
    }


def format_instant(instant: datetime) -> str:
    """An instant of UTC as RFC 3339 writes it."""
    return instant.isoformat().replace("+00:00", "Z")
