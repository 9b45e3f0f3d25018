"""Views of findings: JSON objects with warnings in the language of the reader.

Plain dictionaries, not response models: validating them again would double the cost of a check.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.checks.evaluation import Finding, JsonObject
from app.checks.questions import Moment
from app.checks.schemas import NOT_FOUND_NOTE
from app.errors import Sentence
from app.rules.verdict import Standing
from app.subjects.records import FoundSubject


def build_check_answer(
    check_id: UUID | None,
    checked_at: datetime,
    moment: Moment,
    matter: str,
    findings: Sequence[Finding],
    *,
    chinese: bool,
) -> JsonObject:
    """Build the answer of a check (`schemas.CheckAnswer`)."""
    return {
        "check_id": check_id and str(check_id),
        "checked_at": format_instant(checked_at),
        "on": moment.on.isoformat(),
        "matter": matter,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "results": [_build_result(finding, matter, chinese=chinese) for finding in findings],
    }


def _build_result(finding: Finding, matter: str, *, chinese: bool) -> JsonObject:
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
        "error": error
        and {"code": error.code, "detail": _translate(error.sentence, chinese=chinese)},
    }


def build_matched_subject(match: FoundSubject | None) -> JsonObject | None:
    """Build the view of a matched subject (`schemas.MatchedSubject`)."""
    if match is None:
        return None
    return {"id": str(match.id), "kind": match.kind, "name": match.name}


def build_warning_views(finding: Finding, *, chinese: bool) -> list[JsonObject]:
    """Build the views of the warnings (`schemas.WarningView`)."""
    return [
        {"code": code, "detail": _translate(sentence, chinese=chinese)}
        for code, sentence in finding.warnings
    ]


def build_note(finding: Finding, *, chinese: bool) -> str | None:
    """Return the note that an empty result says nothing about credit; None for other results."""
    if finding.is_found or finding.standing is not Standing.none:
        return None
    return _translate(NOT_FOUND_NOTE, chinese=chinese)


def _translate(sentence: Sentence, *, chinese: bool) -> str:
    return sentence.zh if chinese else sentence.en


def format_instant(instant: datetime) -> str:
    """Format an instant of UTC by RFC 3339."""
    return instant.isoformat().replace("+00:00", "Z")
