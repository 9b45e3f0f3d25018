"""The whole entry on a day: for departments, exports and the feed."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from app.entries.projections.documents import (
    AuditorFeedEntryJson,
    DisclosureDutyJson,
    DisclosureJson,
    EffectJson,
    EntryJson,
    ExportedEntryJson,
    IdentifierJson,
    PublicationJson,
    PublicFeedEntryJson,
    RecordedEntryJson,
    RemovalJson,
    SubjectJson,
    TakeDownJson,
)
from app.entries.store.rows import EntryRow, ListedEntry
from app.rules.calendar import Calendar
from app.rules.disclosure import (
    Channel,
    ChannelPublication,
    DisclosureState,
    TakeDown,
    compute_disclosure_state,
    compute_take_down_deadline,
    compute_unpublished_state,
)
from app.rules.identifiers import build_mask
from app.rules.law import DisclosureClass, ListKind
from app.rules.permissions import Caller
from app.rules.status import ENDED_STATUSES, Removal, Status, Term, compute_status
from app.rules.stored_json import IdentifierFacts

SEALED_TEXT = "已封存 / sealed"


def build_entry_view(
    row: EntryRow, day: date, calendar: Calendar, effects: Sequence[EffectJson] = ()
) -> EntryJson:
    """Build the whole entry (`EntryView`)."""
    term = row.term  # once: the property builds a new one each time
    return {
        **_build_recorded_entry(row),
        "on": day,
        "status": _compute_status(row, term, day),
        "removal": _build_removal_view(row, term, day),
        "disputed": row.disputed,
        "disclosure": build_disclosure_view(row, term, day, calendar),
        "effects": list(effects),
    }


def redact_sealed_view(view: EntryJson) -> EntryJson:
    """Remove subject, persons and texts of a sealed entry; the channels stay visible."""
    return {
        **view,
        "case_ref": None,
        "subject": {
            **view["subject"],
            "name": SEALED_TEXT,
            "identifiers": [],
            "sex": None,
            "age": None,
        },
        "responsible_persons": [],
        "reason": SEALED_TEXT,
        "legal_basis": SEALED_TEXT,
        "penalty": None,
        "licence": None,
        "remark": None,
    }


def build_exported_entry(row: EntryRow, day: date, calendar: Calendar) -> ExportedEntryJson:
    """Build an entry for an export: the whole entry, without its effects on other entries.

    The status of the other entries shows the effects.
    """
    term = row.term
    status = _compute_status(row, term, day)
    return {
        **_build_recorded_entry(row),
        "on": day,
        "status": status,
        "removal": _build_removal_view(row, term, day),
        "disputed": row.disputed,
        "disclosure": build_disclosure_view(row, term, day, calendar),
        "in_force": status not in ENDED_STATUSES,
        "void": row.void,
        "catalogue_version": str(row.catalogue_version),
    }


def build_auditor_feed_entry(row: EntryRow, day: date) -> AuditorFeedEntryJson:
    """Build an entry for the copy of an auditor: as exported, without fields that follow the day.

    Only the status depends on the day, and every change of status has a sequence number.
    """
    term = row.term
    is_public = row.disclosure_class_enum is DisclosureClass.public
    return {
        **_build_recorded_entry(row),
        "status": _compute_status(row, term, day),
        "removal": _build_removal_view(row, term, day),
        "disputed": row.disputed,
        "disclosure": {
            **_build_disclosure_duty(row),
            "channels": [
                _build_publication(channel, item, is_public=is_public)
                for channel, item in row.publications.items()
            ],
        },
        "void": row.void,
        "catalogue_version": str(row.catalogue_version),
    }


def build_public_feed_entry(row: EntryRow, day: date) -> PublicFeedEntryJson:
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


# --- parts ---------------------------------------------------------------


def _build_recorded_entry(row: EntryRow) -> RecordedEntryJson:
    """Build the fields that do not depend on the day."""
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
        "source_ref": row.source_ref,
        "case_ref": facts.get("case_ref"),
        "replaces": row.replaces,
        "subject": build_subject_view(row),
        "responsible_persons": [
            {
                "role": person["role"],
                "name": person["name"],
                "identifier": _build_identifier_view(identifier)
                if (identifier := person.get("identifier"))
                else None,
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
    }


def build_subject_view(row: EntryRow) -> SubjectJson:
    """Build the subject as the decision names it, with masked personal numbers."""
    subject = row.facts["subject"]
    return {
        "id": row.subject_id,
        "kind": subject["kind"],
        "name": subject["name"],
        "identifiers": [_build_identifier_view(item) for item in subject.get("identifiers", ())],
        "sex": row.sex,
        "age": row.age,
    }


def build_disclosure_view(
    row: EntryRow, term: Term, day: date, calendar: Calendar
) -> DisclosureJson:
    """Build the duty to publish, in total and by channel; `term` is the term of the row."""
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

    def compute_channel_state(item: ChannelPublication) -> DisclosureState:
        if not is_due or not item.required:
            return DisclosureState.not_required
        if item.fulfills_duty(ends_on):
            return DisclosureState.late if item.is_late else DisclosureState.on_time
        return unpublished_state

    return {
        **_build_disclosure_duty(row),
        "state": state,
        "take_down": build_take_down_view(row, day, calendar),
        "channels": [
            {
                **_build_publication(channel, item, is_public=is_public),
                "state": compute_channel_state(item),
            }
            for channel, item in row.publications.items()
        ],
    }


def _build_disclosure_duty(row: EntryRow) -> DisclosureDutyJson:
    given = row.facts.get("disclosure")
    return {
        "class": row.disclosure_class_enum,
        "exemption": given.get("exemption") if given else None,
        "basis": given.get("basis") if given else None,
        "deadline": row.deadline,
        "provisional": row.provisional,
        "calendar_version": str(row.calendar_version),
        "reported": "late" if row.reported_late else "on_time",
    }


def _build_publication(
    channel: Channel, item: ChannelPublication, *, is_public: bool
) -> PublicationJson:
    return {
        "channel": channel,
        "required": is_public and item.required,
        "published_on": item.published_on,
        "url": item.url,
        "recorded_at": item.recorded_at,
        "withdrawn_on": item.withdrawn_on,
    }


def build_take_down_view(row: EntryRow, day: date, calendar: Calendar) -> TakeDownJson | None:
    """Build the duty to withdraw an entry that may no longer be public; None if there is none."""
    if row.take_down_from is None or row.take_down_from > day:
        return None
    deadline = compute_take_down_deadline(row.take_down_from, calendar)
    state = TakeDown.overdue if day > deadline else TakeDown.due
    return {"since": row.take_down_from, "due": deadline, "state": state}


def build_effect_views(
    row: EntryRow, day: date, listed_entries: Iterable[ListedEntry], caller: Caller
) -> list[EffectJson]:
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
    effects: list[EffectJson] = [
        {"effect": "suspends", "entry_id": entry_id} for entry_id in readable_ids
    ]
    if unreadable_count:
        effects.append({"effect": "suspends", "count": unreadable_count})
    return effects


def _build_removal_view(row: EntryRow, term: Term, day: date) -> RemovalJson | None:
    removal = term.find_removal_on(day)
    if removal is None:
        return None
    removal_days = {
        Removal.revoked: row.revoked_on,
        Removal.repaired: row.lapsed_from if term.is_lapsed_on(day) else row.repaired_on,
        Removal.exited: row.exited_on,
    }
    return {"by": removal, "on": removal_days[removal]}


def _compute_status(row: EntryRow, term: Term, day: date) -> Status:
    return compute_status(
        term, ListKind(row.kind), day, has_active_black_entry=bool(row.black_active)
    )


def _build_identifier_view(identifier: IdentifierFacts) -> IdentifierJson:
    """Build an identifier as responses show it; masks of earlier releases are not shown."""
    scheme = identifier["scheme"]
    if "key" in identifier:
        return {"scheme": scheme, "masked": build_mask(scheme)}
    return {"scheme": scheme, "number": identifier["number"]}
