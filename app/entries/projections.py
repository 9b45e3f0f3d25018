"""An entry as it is shown on a day; plain dictionaries, for exports make a great many of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Literal
from uuid import UUID

from app.entries.store.rows import EntryRow, ListedEntry, StatusChangeRow
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    DisclosureState,
    TakeDown,
    compute_disclosure_state,
    compute_take_down_deadline,
    compute_unpublished_state,
)
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller
from app.rules.status import Removal, Status, Term, compute_status

StatusCause = Literal["day", "black_entry_active", "no_black_entry_active"]

SEALED_TEXT = "已封存 / sealed"
# What changes with every version by itself says nothing about what was changed.
IGNORED_FIELDS = {"version", "seq", "recorded_at", "on", "effects"}


def build_entry_view(
    row: EntryRow, day: date, calendar: Calendar, effects: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The whole entry (`EntryView`)."""
    facts = row.facts
    term = row.term  # once: each asking makes a new one
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
    """A sealed entry to its own department: what it must take down, and nothing of whom or why."""
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


def build_subject_view(row: EntryRow) -> dict[str, Any]:
    """The subject as the decision named it, personal numbers masked."""
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
    """The duty to publish, as a whole and channel by channel; `term` is the row's."""
    given = row.facts.get("disclosure") or {}
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
    """What is owed once the entry may not be public any more; None while nothing is."""
    if row.take_down_from is None or row.take_down_from > day:
        return None
    deadline = compute_take_down_deadline(row.take_down_from, calendar)
    state = TakeDown.overdue if day > deadline else TakeDown.due
    return {"since": row.take_down_from, "due": deadline, "state": state}


def build_effect_views(
    row: EntryRow, day: date, listed_entries: Iterable[ListedEntry], caller: Caller
) -> list[dict[str, Any]]:
    """Which red entries of the subject an active black entry suspends on a day."""
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


def determine_cause(change: StatusChangeRow) -> StatusCause:
    """Return the cause of a status change, as the history shows it."""
    if change.cause_entry_id is None:
        return "day"
    is_suspension = change.status == Status.suspended
    return "black_entry_active" if is_suspension else "no_black_entry_active"


def find_field_changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What a version changed, fact by fact; the first version changes nothing."""
    if before is None:
        return []
    old, new = _flatten(before), _flatten(after)
    return [
        {"field": name, "old": old.get(name), "new": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and name.split(".")[0] not in IGNORED_FIELDS
    ]


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = ((str(position), item) for position, item in enumerate(value))  # type: ignore[assignment]
    else:
        return {prefix: value}
    flattened: dict[str, Any] = {}
    for name, item in items:
        flattened.update(_flatten(item, f"{prefix}.{name}" if prefix else str(name)))
    return flattened


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


def _build_identifier_view(identifier: Mapping[str, str] | None) -> dict[str, str] | None:
    if identifier is None:
        return None
    return {name: value for name, value in identifier.items() if name != "key"}
