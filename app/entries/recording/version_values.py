"""Columns of a version of an entry: its facts after the law was applied."""

from dataclasses import replace
from datetime import date
from functools import cache
from typing import TypedDict, Unpack
from uuid import UUID

from app.catalogue.queries import Law
from app.crypto import Secrets, fingerprint
from app.entries.recording.proposals import ResponsiblePersonNumber
from app.entries.store.rows import EntryRow
from app.entries.store.values import ChangedValues, PersonValues
from app.rules.admission import Ruling
from app.rules.disclosure import (
    Channels,
    build_empty_channels,
    compute_fulfilment,
    is_published_on_any_channel,
    serialize_channels,
)
from app.rules.identifiers import Sex
from app.rules.law import DisclosureClass, ListType, SubjectKind
from app.rules.namesakes import determine_namesake_details
from app.rules.status import Term
from app.rules.stored_json import EntryFacts


def build_namesake_values(
    list_type: ListType,
    kind: SubjectKind,
    *,
    sex: Sex | None,
    birth_date: date | None,
    decided_on: date,
) -> ChangedValues:
    """Build the columns of sex and age, which are empty unless the list type publishes them."""
    details = determine_namesake_details(
        list_type, kind, sex=sex, birth_date=birth_date, decided_on=decided_on
    )
    return {"sex": details.sex and details.sex.value, "age": details.age}


class EndingValues(TypedDict, total=False):
    """The columns by which an entry ends."""

    exited_on: date | None
    revoked_on: date | None
    repaired_on: date | None
    lapsed_from: date | None
    lapsed_until: date | None
    void: bool


def build_decision_values(
    law: Law,
    facts: EntryFacts,
    ruling: Ruling,
    list_type: str,
    digest: str | None = None,
) -> ChangedValues:
    """Build the columns that follow from facts and law; `digest` is the digest of the facts."""
    return {
        "kind": law.catalogue.list_types[list_type].kind.value,
        "catalogue_version": law.catalogue_version,
        "facts": facts,
        "facts_digest": digest or fingerprint(facts),
        "severity": ruling.severity and ruling.severity.value,
        "decided_on": date.fromisoformat(facts["decision"]["decided_on"]),
        "effective_from": ruling.effective_from,
        "effective_until": ruling.effective_until,
        "cap_ends_on": ruling.cap_ends_on,
        "disclosure_class": ruling.disclosure_class.value,
    }


def build_deadline_values(law: Law, decided_on: date, *, received_on: date) -> ChangedValues:
    """Build the columns of the disclosure deadline (7 working days)."""
    result = law.calendar.compute_deadline(decided_on)
    return {
        "deadline": result.deadline,
        "provisional": result.provisional,
        "calendar_version": law.calendar_version,
        "reported_late": received_on > result.deadline,
    }


def build_channel_values(
    channels: Channels, term: Term, not_public_from: date | None = None
) -> ChangedValues:
    """Build the columns of the channels, with the summary that the lists of due work read.

    From the day `not_public_from` the entry may not be public, whatever its term.
    """
    fulfilment_state = compute_fulfilment(channels, term.ends_on)
    take_down_days = [day for day in (term.ends_on, not_public_from) if day is not None]
    return {
        "channels": serialize_channels(channels),
        "published_on": fulfilment_state.published_on,
        "published_late": fulfilment_state.published_late,
        "take_down_from": min(take_down_days, default=None)
        if is_published_on_any_channel(channels)
        else None,
    }


@cache
def build_initial_channel_values(*, is_enterprise_subject: bool) -> ChangedValues:
    """Build the columns of the channels of a new entry, which is not published yet."""
    return build_channel_values(
        build_empty_channels(is_enterprise_subject=is_enterprise_subject),
        Term(effective_from=date.min),
    )


def build_ending_values(
    row: EntryRow, today: date, **ending_days: Unpack[EndingValues]
) -> ChangedValues:
    """Build the columns of an entry that ends; `ending_days` are fields of its term."""
    term = replace(row.term, **ending_days)
    not_public_from = find_first_non_public_day(row, row.disclosure_class_enum, today)
    return {**ending_days, **build_channel_values(row.publications, term, not_public_from)}


def find_first_non_public_day(
    row: EntryRow, disclosure_class: DisclosureClass, today: date
) -> date | None:
    """Return the first day on which a version of that class may not be public; None if it may."""
    if disclosure_class is DisclosureClass.public:
        return None
    return today if row.disclosure_class_enum is DisclosureClass.public else row.take_down_from


def build_person_values(
    secrets: Secrets, entry_id: UUID, person: ResponsiblePersonNumber
) -> PersonValues:
    """Build the row of a responsible person: the number, encrypted for this entry alone."""
    scheme = person.identifier.scheme.value
    sealed = secrets.seal(person.identifier.number, bound_to=f"{entry_id}:{scheme}")
    return {
        "entry_id": entry_id,
        "scheme": scheme,
        "lookup_key": person.lookup_key,
        "ciphertext": sealed.ciphertext,
        "key_id": sealed.key_id,
    }
