"""An entry in the own report of its subject, or of a responsible person in it.

A report of the department of the entry, or of the credit office, shows the whole entry. A report of
another department shows what a check shows (`build_checked_entry`).
"""

from collections.abc import Mapping, Sequence
from datetime import date

from app.entries.projections.documents import (
    DisclosureJson,
    EntryJson,
    NamedCodeJson,
    NamingEntryJson,
    ReportDisclosureJson,
    ReportEntryJson,
    SourceJson,
)
from app.entries.projections.entry import build_entry_view
from app.entries.store.rows import EntryRow
from app.rules.calendar import Calendar
from app.rules.law import Catalogue, DisclosureClass
from app.rules.status import ENDED_STATUSES


def build_report_entry(
    row: EntryRow, day: date, calendar: Calendar, catalogue: Catalogue
) -> ReportEntryJson:
    """Build an entry for the own report of its subject: whole, or an exempt one as an outline."""
    view = build_entry_view(row, day, calendar)
    whole = row.disclosure_class_enum is not DisclosureClass.exempt
    return {
        "id": view["id"],
        "list": view["list"],
        "status": view["status"],
        "removal": view["removal"],
        "disputed": view["disputed"],
        "severity": view["severity"],
        "effective_from": view["effective_from"],
        "effective_until": view["effective_until"],
        "ends_by_law_on": view["ends_by_law_on"],
        "restored_on": view["restored_on"],
        "list_type": view["list_type"] if whole else None,
        "domain": view["domain"] if whole else None,
        "extension": view["extension"] if whole else None,
        "conduct_ended_on": view["conduct_ended_on"] if whole else None,
        "conduct_continues": view["conduct_continues"] if whole else None,
        "unintentional": view["unintentional"] if whole else None,
        "reason": view["reason"] if whole else None,
        "penalty": view["penalty"] if whole else None,
        "licence": view["licence"] if whole else None,
        "remark": view["remark"] if whole else None,
        "outline": not whole,
        "partial": False,
        "in_force": view["status"] not in ENDED_STATUSES,
        "list_type_name": _find_list_type_name(row, catalogue) if whole else None,
        "subject_name": view["subject"]["name"] if whole else None,
        "source": _build_source(view, catalogue) if whole else None,
        "responsible_persons": [
            {"role": person["role"], "name": person["name"]}
            for person in (view["responsible_persons"] if whole else ())
        ],
        "disclosure": _build_report_disclosure(view["disclosure"], whole=whole),
    }


def build_partial_report_entry(
    row: EntryRow, day: date, calendar: Calendar, catalogue: Catalogue
) -> ReportEntryJson:
    """Build an entry for an own report of another department: the fields that a check shows."""
    entry = build_report_entry(row, day, calendar, catalogue)
    source = entry["source"]
    return {
        **entry,
        "partial": True,
        "removal": None,
        "ends_by_law_on": None,
        "restored_on": None,
        "extension": None,
        "conduct_ended_on": None,
        "conduct_continues": None,
        "unintentional": None,
        "penalty": None,
        "licence": None,
        "remark": None,
        "subject_name": None,
        "source": source
        and {
            "department": source["department"],
            "source_ref": None,
            "case_ref": None,
            "decision": {**source["decision"], "penalty_law": None},
            "legal_basis": source["legal_basis"],
            "received_at": None,
            "recorded_at": None,
        },
        "disclosure": {**entry["disclosure"], "basis": None, "channels": []},
    }


def _build_source(view: EntryJson, catalogue: Catalogue) -> SourceJson:
    return {
        "department": build_named_code(catalogue.departments, view["department"]),
        "source_ref": view["source_ref"],
        "case_ref": view["case_ref"],
        "decision": view["decision"],
        "legal_basis": view["legal_basis"],
        "received_at": view["received_at"],
        "recorded_at": view["recorded_at"],
    }


def _build_report_disclosure(disclosure: DisclosureJson, *, whole: bool) -> ReportDisclosureJson:
    return {
        "class": disclosure["class"],
        "exemption": disclosure["exemption"],
        # The outline shows the coded reason alone: its legal basis may disclose the secret.
        "basis": disclosure["basis"] if whole else None,
        "channels": [
            {
                "channel": channel["channel"],
                "published_on": published_on,
                "url": channel["url"],
                "withdrawn_on": channel["withdrawn_on"],
            }
            for channel in disclosure["channels"]
            if (published_on := channel["published_on"]) is not None
        ],
    }


def build_naming_entry(
    row: EntryRow, roles: Sequence[str], day: date, catalogue: Catalogue
) -> NamingEntryJson:
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


def build_named_code(items: Mapping[str, object], code: str) -> NamedCodeJson:
    """Build a code of the catalogue with its name; the name of an unknown code is None."""
    return {"code": code, "name": getattr(items.get(code), "name", None)}
