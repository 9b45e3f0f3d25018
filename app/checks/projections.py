"""Findings on the wire: entries as an approval officer sees them, warnings in their language."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.checks.questions import Answer, Moment
from app.checks.schemas import NOT_FOUND_NOTE
from app.rules.verdict import Standing
from app.subjects.records import FoundSubject


def matched_view(matched: FoundSubject | None) -> dict[str, Any] | None:
    """A matched subject on the wire."""
    if matched is None:
        return None
    return {"id": str(matched.id), "kind": matched.kind, "name": matched.name}


def warning_views(answer: Answer, *, chinese: bool) -> list[dict[str, str]]:
    """Warnings in the reader's language."""
    return [
        {"code": code, "detail": sentence.zh if chinese else sentence.en}
        for code, sentence in answer.warnings
    ]


def note_of(answer: Answer, *, chinese: bool) -> str | None:
    """What "nothing found" does not mean."""
    if answer.found or answer.standing is not Standing.none:
        return None
    return NOT_FOUND_NOTE.zh if chinese else NOT_FOUND_NOTE.en


def check_view(
    check_id: UUID | None,
    at: datetime,
    moment: Moment,
    matter: str,
    answers: Sequence[Answer],
    *,
    chinese: bool,
) -> dict[str, Any]:
    """The answer of a check (`schemas.CheckAnswer`)."""
    return {
        "check_id": check_id and str(check_id),
        "checked_at": written_instant(at),
        "on": moment.on.isoformat(),
        "matter": matter,
        "epoch": moment.epoch,
        "seq": moment.seq,
        "catalogue_version": moment.catalogue.version,
        "results": [_result(answer, matter, chinese=chinese) for answer in answers],
    }


def _result(answer: Answer, matter: str, *, chinese: bool) -> dict[str, Any]:
    error = answer.error
    return {
        "ref": answer.ref,
        "found": answer.found,
        "standing": answer.standing,
        "subject": matched_view(answer.subject),
        "entries": answer.entries,
        "measures": answer.measures,
        "suppressed": answer.suppressed,
        "warnings": warning_views(answer, chinese=chinese),
        "digest": answer.digest(matter),
        "note": note_of(answer, chinese=chinese),
        "error": error and {"code": error[0], "detail": error[1].zh if chinese else error[1].en},
    }


def written_instant(instant: datetime) -> str:
    """An instant of UTC as RFC 3339 writes it."""
    return instant.isoformat().replace("+00:00", "Z")
