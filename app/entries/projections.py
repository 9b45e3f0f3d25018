"""Projections: an entry as JSON for each audience, on a day.

| audience | function |
|---|---|
| the entry's department, offices with oversight | `build_entry_view` |
| the department of a sealed entry | `redact_sealed_view` of that view |
| a reader of an export | `build_exported_entry` |
| an auditor who follows the feed | `build_auditor_feed_entry` |
| a subscriber who follows the feed | `build_public_feed_entry` |
| an officer who checks a subject | `build_checked_entry`, whole or as a summary |
| the subject, in its own report | `build_report_entry`, whole or as an outline |
| a responsible person in the entry, in the own report of that person | `build_naming_entry` |

`tests/entries/test_projections.py` lists every field by audience. The functions build plain
dictionaries in direct code: a check and an export build very many of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import orjson

from app.entries.store.checked_entries import CheckedEntryRow
from app.entries.store.rows import EntryRow, ListedEntry
from app.entries.store.values import IdentifierFacts
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    DisclosureState,
    TakeDown,
    compute_disclosure_state,
    compute_take_down_deadline,
    compute_unpublished_state,
)
from app.rules.law import Catalogue, DisclosureClass, ListKind
from app.rules.permissions import AccessLevel, Caller
from app.rules.status import ENDED_STATUSES, Removal, Status, Term, compute_status

SEALED_TEXT = "已封存 / sealed"
ID_LENGTH = len("00000000-0000-0000-0000-000000000000")

REPORT_OUTLINE_FIELDS = (
    "id",
    "list",
    "status",
    "removal",
    "disputed",
    "severity",
    "effective_from",
    "effective_until",
    "ends_by_law_on",
    "restored_on",
)
REPORT_WHOLE_FIELDS = (
    "list_type",
    "domain",
    "extension",
    "conduct_ended_on",
    "conduct_continues",
    "unintentional",
    "reason",
    "penalty",
    "licence",
    "remark",
)
"""Fields of a whole entry in an own report; an outline has null in their place."""
REPORT_SOURCE_FIELDS = (
    "source_ref",
    "case_ref",
    "decision",
    "legal_basis",
    "received_at",
    "recorded_at",
)
REPORT_CHANNEL_FIELDS = ("channel", "published_on", "url", "withdrawn_on")


def build_entry_view(
    row: EntryRow, day: date, calendar: Calendar, effects: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Build the whole entry (`EntryView`)."""
    facts = row.facts
    term = row.term  # once: the property builds a new one each time
    decision = facts["decision"]
    return {
        "id": row.id,
        "version": row.version,
        "seq": row.seq,
        "list_type": row.list_type,
        "list": row.kind,
        "domain": row.domain,
        "department": row.department,
        "source_ref": row.source_ref,
        "case_ref": facts.get("case_ref"),
        "replaces": row.replaces,
        "subject": build_subject_view(row),
        "responsible_persons": [
            {
                "role": person["role"],
                "name": person["name"],
                "identifier": _build_identifier_view(person.get("identifier")),
            }
            for person in facts.get("responsible_persons") or ()
        ],
        "decision": {
            "number": decision["number"],
            "kind": decision["kind"],
            "decided_on": row.decided_on,
            "penalty_law": decision.get("penalty_law"),
        },
        "reason": facts["reason"],
        "legal_basis": facts["legal_basis"],
        "severity": row.severity,
        "conduct_ended_on": facts.get("conduct_ended_on"),
        "conduct_continues": bool(facts.get("conduct_continues")),
        "effective_from": row.effective_from,
        "effective_until": row.effective_until,
        "ends_by_law_on": row.cap_ends_on,
        "restored_on": row.lapsed_until,
        "extension": facts.get("extension"),
        "unintentional": bool(facts.get("unintentional")),
        "penalty": facts.get("penalty"),
        "licence": facts.get("licence"),
        "remark": facts.get("remark"),
        "received_at": row.received_at,
        "recorded_at": row.recorded_at,
        "on": day,
        "status": compute_status(
            term, ListKind(row.kind), day, has_active_black_entry=bool(row.black_active)
        ),
        "removal": _build_removal_view(row, term, day),
        "disputed": row.disputed,
        "disclosure": build_disclosure_view(row, term, day, calendar),
        "effects": list(effects),
    }


def redact_sealed_view(view: Mapping[str, Any]) -> dict[str, Any]:
    """Remove subject, persons and texts of a sealed entry; the channels stay visible."""
    return {
        **view,
        "case_ref": None,
        "subject": {**view["subject"], "name": SEALED_TEXT, "identifiers": []},
        "responsible_persons": [],
        "reason": SEALED_TEXT,
        "legal_basis": SEALED_TEXT,
        "penalty": None,
        "licence": None,
        "remark": None,
    }


def build_exported_entry(row: EntryRow, day: date, calendar: Calendar) -> dict[str, Any]:
    """Build an entry for an export: the whole entry, without its effects on other entries."""
    view = build_entry_view(row, day, calendar)
    del view["effects"]  # the status of the other entries shows them
    view["in_force"] = view["status"] not in ENDED_STATUSES
    view["void"] = row.void
    view["catalogue_version"] = str(row.catalogue_version)
    return view


def build_auditor_feed_entry(row: EntryRow, day: date, calendar: Calendar) -> dict[str, Any]:
    """Build an entry for the copy of an auditor: as exported, without fields that follow the day.

    Only the status depends on the day, and every change of status has a sequence number.
    """
    view = build_exported_entry(row, day, calendar)
    for name in ("on", "in_force"):
        del view[name]
    disclosure = view["disclosure"]
    del disclosure["state"], disclosure["take_down"]
    for channel in disclosure["channels"]:
        del channel["state"]
    return view


def build_public_feed_entry(row: EntryRow, day: date) -> dict[str, Any]:
    """Build a public entry for the copy of a subscriber (`FeedEntry`)."""
    facts = row.facts
    decision = facts["decision"]
    return {
        "id": row.id,
        "version": row.version,
        "seq": row.seq,
        "list_type": row.list_type,
        "list": row.kind,
        "domain": row.domain,
        "department": row.department,
        "subject": build_subject_view(row),
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in facts.get("responsible_persons") or ()
        ],
        "decision": {
            "number": decision["number"],
            "kind": decision["kind"],
            "decided_on": row.decided_on,
        },
        "reason": facts["reason"],
        "legal_basis": facts["legal_basis"],
        "severity": row.severity,
        "effective_from": row.effective_from,
        "effective_until": row.effective_until,
        "ends_by_law_on": row.cap_ends_on,
        "penalty": facts.get("penalty"),
        "licence": facts.get("licence"),
        "recorded_at": row.recorded_at,
        "status": row.compute_status(day),
        "disputed": row.disputed,
    }


def build_checked_entry(row: CheckedEntryRow, access_level: AccessLevel) -> dict[str, Any]:
    """Build an entry for a check: whole, or as a summary without texts and department."""
    whole = access_level is AccessLevel.full
    facts = orjson.loads(row.facts)
    decision = facts["decision"]
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
        "exemption": (facts.get("disclosure") or {}).get("exemption"),
    }


def format_stored_id(stored_id: str) -> str:
    """Return an id with its dashes; SQLite stores it without them."""
    if len(stored_id) == ID_LENGTH:
        return stored_id
    plain = stored_id
    return f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"


def build_report_entry(
    row: EntryRow, day: date, calendar: Calendar, catalogue: Catalogue
) -> dict[str, Any]:
    """Build an entry for the own report of its subject: whole, or an exempt one as an outline."""
    view = build_entry_view(row, day, calendar)
    whole = row.disclosure_class_enum is not DisclosureClass.exempt
    disclosure = view["disclosure"]
    return {
        **{name: view[name] for name in REPORT_OUTLINE_FIELDS},
        **{name: view[name] if whole else None for name in REPORT_WHOLE_FIELDS},
        "outline": not whole,
        "in_force": view["status"] not in ENDED_STATUSES,
        "list_type_name": _find_list_type_name(row, catalogue) if whole else None,
        "subject_name": view["subject"]["name"] if whole else None,
        "source": {
            "department": build_named_code(catalogue.departments, row.department),
            **{name: view[name] for name in REPORT_SOURCE_FIELDS},
        }
        if whole
        else None,
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in (view["responsible_persons"] if whole else ())
        ],
        "disclosure": {
            **{name: disclosure[name] for name in ("class", "exemption")},
            # The outline shows the coded reason alone: its legal basis may disclose the secret.
            "basis": disclosure["basis"] if whole else None,
            "channels": [
                {name: channel[name] for name in REPORT_CHANNEL_FIELDS}
                for channel in disclosure["channels"]
                if channel["published_on"] is not None
            ],
        },
    }


def build_naming_entry(
    row: EntryRow, roles: Sequence[str], day: date, catalogue: Catalogue
) -> dict[str, Any]:
    """Build an entry of another subject for the own report of a responsible person."""
    whole = row.disclosure_class_enum is not DisclosureClass.exempt
    status = row.compute_status(day)
    return {
        "list": row.kind,
        "list_type": row.list_type if whole else None,
        "list_type_name": _find_list_type_name(row, catalogue) if whole else None,
        "department": build_named_code(catalogue.departments, row.department) if whole else None,
        "roles": list(roles),
        "subject_name": row.facts["subject"]["name"] if whole else None,
        "decision_number": row.facts["decision"]["number"] if whole else None,
        "decided_on": row.decided_on if whole else None,
        "status": status,
        "in_force": status not in ENDED_STATUSES,
    }


def _find_list_type_name(row: EntryRow, catalogue: Catalogue) -> str | None:
    list_type = catalogue.list_types.get(row.list_type)
    return None if list_type is None else list_type.name


def build_named_code(items: Mapping[str, Any], code: str) -> dict[str, str | None]:
    """Build a code of the catalogue with its name; the name of an unknown code is None."""
    return {"code": code, "name": getattr(items.get(code), "name", None)}


# --- parts ---------------------------------------------------------------


def build_subject_view(row: EntryRow) -> dict[str, Any]:
    """Build the subject as the decision names it, with masked personal numbers."""
    subject = row.facts["subject"]
    return {
        "id": row.subject_id,
        "kind": subject["kind"],
        "name": subject["name"],
        "identifiers": [_build_identifier_view(item) for item in subject.get("identifiers", ())],
    }


def build_disclosure_view(
    row: EntryRow, term: Term, day: date, calendar: Calendar
) -> dict[str, Any]:
    """Build the duty to publish, in total and by channel; `term` is the term of the row."""
    given: Mapping[str, Any] = row.facts.get("disclosure") or {}
    ends_on = term.ends_on
    disclosure_class = row.disclosure_class_enum
    is_public = disclosure_class is DisclosureClass.public
    state = compute_disclosure_state(
        disclosure_class=disclosure_class,
        deadline=row.deadline,
        fulfilment=row.fulfilment,
        ended_on=ends_on,
        void=row.void,
        day=day,
        calendar=calendar,
    )
    is_due = is_public and state is not DisclosureState.not_required
    unpublished_state = compute_unpublished_state(row.deadline, day, calendar)
    channels = []
    for channel, item in row.publications.items():
        if not is_due or not item.required:
            channel_state = DisclosureState.not_required
        elif item.fulfills_duty(ends_on):
            channel_state = DisclosureState.late if item.is_late else DisclosureState.on_time
        else:
            channel_state = unpublished_state
        channels.append(
            {
                "channel": channel,
                "required": is_public and item.required,
                "published_on": item.published_on,
                "url": item.url,
                "recorded_at": item.recorded_at,
                "withdrawn_on": item.withdrawn_on,
                "state": channel_state,
            }
        )
    return {
        "class": disclosure_class,
        "exemption": given.get("exemption"),
        "basis": given.get("basis"),
        "deadline": row.deadline,
        "provisional": row.provisional,
        "calendar_version": str(row.calendar_version),
        "reported": "late" if row.reported_late else "on_time",
        "state": state,
        "take_down": build_take_down_view(row, day, calendar),
        "channels": channels,
    }


def build_take_down_view(row: EntryRow, day: date, calendar: Calendar) -> dict[str, Any] | None:
    """Build the duty to withdraw an entry that may no longer be public; None if there is none."""
    if row.take_down_from is None or row.take_down_from > day:
        return None
    deadline = compute_take_down_deadline(row.take_down_from, calendar)
    state = TakeDown.overdue if day > deadline else TakeDown.due
    return {"since": row.take_down_from, "due": deadline, "state": state}


def build_effect_views(
    row: EntryRow, day: date, listed_entries: Iterable[ListedEntry], caller: Caller
) -> list[dict[str, Any]]:
    """List the red entries of the subject that an active black entry suspends on a day.

    Entries that the caller may not read are only counted.
    """
    if row.kind != ListKind.black or row.compute_status(day) is not Status.active:
        return []
    readable_ids: list[UUID] = []
    unreadable_count = 0
    for listed_entry in listed_entries:
        if listed_entry.kind is not ListKind.red:
            continue
        status = compute_status(listed_entry.term, ListKind.red, day, has_active_black_entry=True)
        if status is not Status.suspended:
            continue
        if caller.has_oversight or caller.acts_for(listed_entry.department):
            readable_ids.append(listed_entry.entry_id)
        else:
            unreadable_count += 1
    effects: list[dict[str, Any]] = [
        {"effect": "suspends", "entry_id": entry_id} for entry_id in readable_ids
    ]
    return (
        [*effects, {"effect": "suspends", "count": unreadable_count}]
        if unreadable_count
        else effects
    )


def _build_removal_view(row: EntryRow, term: Term, day: date) -> dict[str, Any] | None:
    removal = term.find_removal_on(day)
    if removal is None:
        return None
    removal_days = {
        Removal.revoked: row.revoked_on,
        Removal.repaired: row.lapsed_from if term.is_lapsed_on(day) else row.repaired_on,
        Removal.exited: row.exited_on,
    }
    return {"by": removal, "on": removal_days[removal]}


def _build_identifier_view(identifier: IdentifierFacts | None) -> dict[str, object] | None:
    if identifier is None:
        return None
    return {name: value for name, value in identifier.items() if name != "key"}
