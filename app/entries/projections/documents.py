"""Types of the projections: the fields that each audience sees, and the parts of them.

The fields `list` and `class` stand in bases of their own, because a class body cannot name them.
"""

from datetime import date, datetime
from typing import Literal, NotRequired, TypedDict
from uuid import UUID

from app.rules.disclosure import Channel, DisclosureState, TakeDown
from app.rules.law import DisclosureClass
from app.rules.status import Removal, Status
from app.rules.stored_json import ExtensionFacts, LicenceFacts, PenaltyFacts


class _ListField(TypedDict):
    list: str


_ClassField = TypedDict("_ClassField", {"class": DisclosureClass})


# --- parts ---------------------------------------------------------------


class IdentifierJson(TypedDict):
    """A number: whole for organisations, masked for persons."""

    scheme: str
    number: NotRequired[str]
    masked: NotRequired[str]


class SubjectJson(TypedDict):
    """The subject as the decision names it."""

    id: UUID
    kind: str
    name: str
    identifiers: list[IdentifierJson]
    sex: str | None
    age: int | None


class PersonJson(TypedDict):
    """A responsible person by role and name."""

    role: str
    name: str


class IdentifiedPersonJson(PersonJson):
    """A responsible person with the masked number."""

    identifier: IdentifierJson | None


class DecisionJson(TypedDict):
    """The decision behind the entry, for the public."""

    number: str
    kind: str
    decided_on: date


class FullDecisionJson(DecisionJson):
    """The decision with the law of a penalty."""

    penalty_law: str | None


class CheckedDecisionJson(TypedDict):
    """The decision as a check shows it; the day is text, as it is stored."""

    number: str
    kind: str
    decided_on: str


class PublicationJson(TypedDict):
    """The publication on one channel."""

    channel: Channel
    required: bool
    published_on: date | None
    url: str | None
    recorded_at: str | None
    withdrawn_on: date | None


class ChannelJson(PublicationJson):
    """The publication on one channel, with the state of the duty on the day."""

    state: DisclosureState


class TakeDownJson(TypedDict):
    """The duty to withdraw an entry that may no longer be public."""

    since: date
    due: date
    state: TakeDown


class DisclosureDutyJson(_ClassField):
    """The disclosure class and the deadline of the duty to publish."""

    exemption: str | None
    basis: str | None
    deadline: date
    provisional: bool
    calendar_version: str
    reported: Literal["on_time", "late"]


class RecordedDisclosureJson(DisclosureDutyJson):
    """The duty to publish with its publications, without the states on a day."""

    channels: list[PublicationJson]


class DisclosureJson(DisclosureDutyJson):
    """The duty to publish with the states on a day, in total and by channel."""

    state: DisclosureState
    take_down: TakeDownJson | None
    channels: list[ChannelJson]


class RemovalJson(TypedDict):
    """The event that ended the entry before the end of its term."""

    by: Removal
    on: date | None


class EffectJson(TypedDict):
    """A red entry that this black entry suspends; unreadable ones are only counted."""

    effect: Literal["suspends"]
    entry_id: NotRequired[UUID]
    count: NotRequired[int]


class NamedCodeJson(TypedDict):
    """A code of the catalogue with its name."""

    code: str
    name: str | None


# --- whole entries -------------------------------------------------------


class RecordedEntryJson(_ListField):
    """The fields of the version itself, which do not depend on the day."""

    id: UUID
    version: int
    seq: int
    list_type: str
    domain: str
    department: str
    source_ref: str
    case_ref: str | None
    replaces: UUID | None
    subject: SubjectJson
    responsible_persons: list[IdentifiedPersonJson]
    decision: FullDecisionJson
    reason: str
    legal_basis: str
    severity: str | None
    conduct_ended_on: str | None
    conduct_continues: bool
    effective_from: date
    effective_until: date | None
    ends_by_law_on: date | None
    restored_on: date | None
    extension: ExtensionFacts | None
    unintentional: bool
    penalty: PenaltyFacts | None
    licence: LicenceFacts | None
    remark: str | None
    received_at: datetime
    recorded_at: datetime


class EntryOnDayJson(RecordedEntryJson):
    """An entry on a day (`on`)."""

    on: date
    status: Status
    removal: RemovalJson | None
    disputed: bool
    disclosure: DisclosureJson


class EntryJson(EntryOnDayJson):
    """The whole entry (`EntryView`)."""

    effects: list[EffectJson]


class ExportedEntryJson(EntryOnDayJson):
    """An entry of an export (`ExportedEntry`)."""

    in_force: bool
    void: bool
    catalogue_version: str


class AuditorFeedEntryJson(RecordedEntryJson):
    """An entry in the copy of an auditor."""

    status: Status
    removal: RemovalJson | None
    disputed: bool
    disclosure: RecordedDisclosureJson
    void: bool
    catalogue_version: str


class PublicFeedEntryJson(_ListField):
    """An entry in the copy of a subscriber (`FeedEntry`)."""

    id: UUID
    version: int
    seq: int
    list_type: str
    domain: str
    department: str
    subject: SubjectJson
    responsible_persons: list[PersonJson]
    decision: DecisionJson
    reason: str
    legal_basis: str
    severity: str | None
    effective_from: date
    effective_until: date | None
    ends_by_law_on: date | None
    penalty: PenaltyFacts | None
    licence: LicenceFacts | None
    recorded_at: datetime
    status: Status
    disputed: bool


class CheckedEntryJson(_ListField):
    """An entry in the answer of a check (`CheckedEntry`); a summary has null for the rest."""

    id: str
    list_type: str | None
    domain: str | None
    department: str | None
    decision: CheckedDecisionJson | None
    reason: str | None
    legal_basis: str | None
    responsible_persons: list[PersonJson]
    severity: str | None
    effective_from: str
    effective_until: str | None
    status: str
    disputed: bool
    disclosure_class: str
    exemption: str | None


# --- entries in an own report --------------------------------------------


class SourceJson(TypedDict):
    """The source of an entry and its legal basis; a partial one has null for the rest."""

    department: NamedCodeJson
    source_ref: str | None
    case_ref: str | None
    decision: FullDecisionJson
    legal_basis: str
    received_at: datetime | None
    recorded_at: datetime | None


class ShownChannelJson(TypedDict):
    """A channel on which the entry was published."""

    channel: Channel
    published_on: date
    url: str | None
    withdrawn_on: date | None


class ReportDisclosureJson(_ClassField):
    """The readers of an entry, and the channels of its publication."""

    exemption: str | None
    basis: str | None
    channels: list[ShownChannelJson]


class ReportEntryJson(_ListField):
    """An entry in the own report of its subject; an outline has null for the rest."""

    id: UUID
    status: Status
    removal: RemovalJson | None
    disputed: bool
    severity: str | None
    effective_from: date
    effective_until: date | None
    ends_by_law_on: date | None
    restored_on: date | None
    list_type: str | None
    domain: str | None
    extension: ExtensionFacts | None
    conduct_ended_on: str | None
    conduct_continues: bool | None
    unintentional: bool | None
    reason: str | None
    penalty: PenaltyFacts | None
    licence: LicenceFacts | None
    remark: str | None
    outline: bool
    partial: bool
    in_force: bool
    list_type_name: str | None
    subject_name: str | None
    source: SourceJson | None
    responsible_persons: list[PersonJson]
    disclosure: ReportDisclosureJson


class NamingEntryJson(_ListField):
    """An entry of another subject in the own report of a responsible person (`NamedIn`)."""

    list_type: str | None
    list_type_name: str | None
    department: NamedCodeJson | None
    roles: list[str]
    subject_name: str | None
    decision_number: str | None
    decided_on: date | None
    status: Status
    in_force: bool
