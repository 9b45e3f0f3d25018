"""Findings on the wire: entries as an approval officer sees them, warnings in their language."""

from datetime import date
from typing import Any

from app.checks.questions import Answer
from app.checks.schemas import NOT_FOUND_NOTE
from app.checks.store import Matched
from app.entries.store import EntryRow
from app.rules.verdict import Standing
from app.rules.visibility import Sight


def checked_entry(row: EntryRow, sees: Sight, day: date) -> dict[str, Any]:
    """An entry whole, or in outline: that it stands, without text or issuer."""
    whole = sees is Sight.full
    facts = row.facts
    decision = facts["decision"]
    return {
        "id": str(row.id),
        "list": row.kind,
        "list_type": row.list_type if whole else None,
        "domain": row.domain if whole else None,
        "department": row.department if whole else None,
        "decision": {
            "number": decision["number"],
            "kind": decision["kind"],
            "decided_on": decision["decided_on"],
        }
        if whole
        else None,
        "reason": facts["reason"] if whole else None,
        "legal_basis": facts["legal_basis"] if whole else None,
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in (facts.get("responsible_persons") or () if whole else ())
        ],
        "severity": row.severity,
        "effective_from": row.effective_from.isoformat(),
        "effective_until": row.effective_until and row.effective_until.isoformat(),
        "status": row.status(day),
        "disputed": row.disputed,
        "disclosure_class": row.disclosure_class,
        "exemption": (facts.get("disclosure") or {}).get("exemption"),
    }


def matched_view(matched: Matched | None) -> dict[str, Any] | None:
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
