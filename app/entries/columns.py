"""Columns of an entry's version: its facts with the law applied, ready to be written."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from app.catalogue.store import Law
from app.crypto import Secrets, fingerprint
from app.entries.proposals import Person
from app.rules.admission import Ruling
from app.rules.disclosure import Channels, fulfilment, write_channels
from app.rules.status import Term


def decided_values(
    law: Law, facts: Mapping[str, Any], ruling: Ruling, list_type: str
) -> dict[str, Any]:
    """Columns that follow from the facts and the law."""
    return {
        "kind": law.catalogue.list_types[list_type].kind.value,
        "catalogue_version": law.catalogue_version,
        "facts": facts,
        "facts_digest": fingerprint(facts),
        "severity": ruling.severity and ruling.severity.value,
        "decided_on": date.fromisoformat(facts["decision"]["decided_on"]),
        "effective_from": ruling.effective_from,
        "effective_until": ruling.effective_until,
        "cap_ends_on": ruling.cap_ends_on,
        "disclosure_class": ruling.disclosure_class.value,
    }


def clock_values(
    law: Law, decided_on: date, term: Term, channels: Channels, *, received_on: date
) -> dict[str, Any]:
    """Columns of the 7-working-day clock."""
    due = law.calendar.deadline(decided_on)
    return {
        "deadline": due.deadline,
        "provisional": due.provisional,
        "calendar_version": law.calendar_version,
        "reported_late": received_on > due.deadline,
        **channel_values(channels, term),
    }


def channel_values(channels: Channels, term: Term) -> dict[str, Any]:
    """Columns of the channels, summed up for the overdue list."""
    fulfilled = fulfilment(channels, term.ends_on)
    return {
        "channels": write_channels(channels),
        "published_on": fulfilled.published_on,
        "published_late": fulfilled.published_late,
    }


def person_values(secrets: Secrets, entry_id: UUID, person: Person) -> dict[str, Any]:
    """A responsible person's number, sealed for this entry alone."""
    scheme = person.identifier.scheme.value
    sealed = secrets.seal(person.identifier.number, bound_to=f"{entry_id}:{scheme}")
    return {
        "entry_id": entry_id,
        "scheme": scheme,
        "lookup_key": person.lookup_key,
        "ciphertext": sealed.ciphertext,
        "key_id": sealed.key_id,
    }
