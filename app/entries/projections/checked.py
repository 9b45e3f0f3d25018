"""An entry in the answer of a check."""

import orjson

from app.entries.projections.documents import CheckedEntryJson
from app.entries.store.checked_entries import CheckedEntryRow
from app.rules.permissions import AccessLevel
from app.rules.stored_json import EntryFacts

ID_LENGTH = len("00000000-0000-0000-0000-000000000000")


def build_checked_entry(row: CheckedEntryRow, access_level: AccessLevel) -> CheckedEntryJson:
    """Build an entry for a check: whole, or as a summary without texts and department."""
    whole = access_level is AccessLevel.full
    facts: EntryFacts = orjson.loads(row.facts)
    decision, disclosure = facts["decision"], facts.get("disclosure")
    return {
        "id": format_stored_id(row.id),
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
        "effective_from": row.effective_from,
        "effective_until": row.effective_until,
        "status": row.status,
        "disputed": bool(row.disputed),
        "disclosure_class": row.disclosure_class,
        "exemption": disclosure.get("exemption") if disclosure else None,
    }


def format_stored_id(stored_id: str) -> str:
    """Return an id with its dashes; SQLite stores it without them."""
    if len(stored_id) == ID_LENGTH:
        return stored_id
    plain = stored_id
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
