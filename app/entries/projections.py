"""An entry as it is shown on a day; plain dictionaries, for exports make a great many of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from app.entries.store import EntryRow, Neighbour
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

SEALED = "已封存 / sealed"
# What changes with every version by itself says nothing about what was changed.
NOT_CHANGES = {"version", "seq", "recorded_at", "on", "effects"}


def entry_view(
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
        "subject": subject_view(row),
        "responsible_persons": [
            {
                "role": person["role"],
                "name": person["name"],
                "identifier": _shown(person.get("identifier")),
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
        "removal": _removal(row, term, day),
        "disputed": row.disputed,
        "disclosure": disclosure_view(row, term, day, calendar),
        "effects": list(effects),
    }


def sealed(view: Mapping[str, Any]) -> dict[str, Any]:
    """A sealed entry to its own department: what it must take down, and nothing of whom or why."""
    return {
        **view,
        "case_ref": None,
        "subject": {**view["subject"], "name": SEALED, "identifiers": []},
        "responsible_persons": [],
        "reason": SEALED,
        "legal_basis": SEALED,
        "penalty": None,
        "licence": None,
        "remark": None,
    }


def subject_view(row: EntryRow) -> dict[str, Any]:
    """The subject as the decision named it, personal numbers masked."""
    subject = row.facts["subject"]
    return {
        "id": row.subject_id,
        "kind": subject["kind"],
        "name": subject["name"],
        "identifiers": [_shown(item) for item in subject.get("identifiers", ())],
    }


def disclosure_view(row: EntryRow, term: Term, day: date, calendar: Calendar) -> dict[str, Any]:
    """The duty to publish, as a whole and channel by channel; `term` is the row's."""
    sent = row.facts.get("disclosure") or {}
    ends_on = term.ends_on
    disclosure_class = row.disclosure
    public = disclosure_class is DisclosureClass.public
    state = compute_disclosure_state(
        disclosure_class=disclosure_class,
        deadline=row.deadline,
        fulfilment=row.fulfilled,
        ended_on=ends_on,
        void=row.void,
        day=day,
        calendar=calendar,
    )
    due = public and state is not DisclosureState.not_required
    still_open = compute_unpublished_state(row.deadline, day, calendar)
    channels = []
    for channel, item in row.publications.items():
        if not due or not item.required:
            shown = DisclosureState.not_required
        elif item.fulfills_duty(ends_on):
            shown = DisclosureState.late if item.is_late else DisclosureState.on_time
        else:
            shown = still_open
        channels.append(
            {
                "channel": channel,
                "required": public and item.required,
                "published_on": item.published_on,
                "url": item.url,
                "recorded_at": item.recorded_at,
                "withdrawn_on": item.withdrawn_on,
                "state": shown,
            }
        )
    return {
        "class": disclosure_class,
        "exemption": sent.get("exemption"),
        "basis": sent.get("basis"),
        "deadline": row.deadline,
        "provisional": row.provisional,
        "calendar_version": str(row.calendar_version),
        "reported": "late" if row.reported_late else "on_time",
        "state": state,
        "take_down": take_down_view(row, day, calendar),
        "channels": channels,
    }


def take_down_view(row: EntryRow, day: date, calendar: Calendar) -> dict[str, Any] | None:
    """What is owed once the entry may not be public any more; None while nothing is."""
    if row.take_down_from is None or row.take_down_from > day:
        return None
    due = compute_take_down_deadline(row.take_down_from, calendar)
    state = TakeDown.overdue if day > due else TakeDown.due
    return {"since": row.take_down_from, "due": due, "state": state}


def effects_of(
    row: EntryRow, day: date, neighbours: Iterable[Neighbour], caller: Caller
) -> list[dict[str, Any]]:
    """Which red entries of the subject an active black entry suspends on a day."""
    if row.kind != ListKind.black or row.status(day) is not Status.active:
        return []
    readable: list[UUID] = []
    others = 0
    for neighbour in neighbours:
        if neighbour.kind is not ListKind.red:
            continue
        status = compute_status(neighbour.term, ListKind.red, day, has_active_black_entry=True)
        if status is not Status.suspended:
            continue
        if caller.has_oversight or caller.acts_for(neighbour.department):
            readable.append(neighbour.entry_id)
        else:
            others += 1
    effects: list[dict[str, Any]] = [
        {"effect": "suspends", "entry_id": entry_id} for entry_id in readable
    ]
    return [*effects, {"effect": "suspends", "count": others}] if others else effects


def changes_between(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What a version changed, fact by fact; the first version changes nothing."""
    if before is None:
        return []
    old, new = _flat(before), _flat(after)
    return [
        {"field": name, "old": old.get(name), "new": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and name.split(".")[0] not in NOT_CHANGES
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = ((str(position), item) for position, item in enumerate(value))  # type: ignore[assignment]
    else:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, item in items:
        flat.update(_flat(item, f"{prefix}.{name}" if prefix else str(name)))
    return flat


def _removal(row: EntryRow, term: Term, day: date) -> dict[str, Any] | None:
    removal = term.find_removal_on(day)
    if removal is None:
        return None
    first_day = {
        Removal.revoked: row.revoked_on,
        Removal.repaired: row.lapsed_from if term.is_lapsed_on(day) else row.repaired_on,
        Removal.exited: row.exited_on,
    }
    return {"by": removal, "on": first_day[removal]}


def _shown(identifier: Mapping[str, str] | None) -> dict[str, str] | None:
    if identifier is None:
        return None
    return {name: value for name, value in identifier.items() if name != "key"}
