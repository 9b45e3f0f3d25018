"""Types of stored JSON: the facts of a decision, its channels, and objects of any form."""

from typing import Any, NotRequired, TypedDict

JsonObject = dict[str, Any]
"""A JSON object whose keys nobody knows, such as a document that is kept as it was sent."""


# --- the facts of a decision ---------------------------------------------


class IdentifierFacts(TypedDict):
    """An identifier in facts: `number` of an organisation, or `key` (lookup key) of a person."""

    scheme: str
    number: NotRequired[str]
    masked: NotRequired[str]
    """Only in facts of releases before 0.3 (`app/rules/former_masks.py`); not shown."""
    key: NotRequired[str]


class SubjectFacts(TypedDict):
    """The subject as the decision names it."""

    kind: str
    name: str
    identifiers: NotRequired[list[IdentifierFacts]]
    birth_date: NotRequired[str]


class ResponsiblePersonFacts(TypedDict):
    """A responsible person of an organisation."""

    role: str
    name: str
    identifier: NotRequired[IdentifierFacts]


class DecisionDetails(TypedDict):
    """The decision behind the entry."""

    number: str
    kind: str
    decided_on: str
    penalty_law: NotRequired[str]


class ExtensionFacts(TypedDict):
    """The decision that extended the term."""

    number: str
    decided_on: str
    legal_basis: str


DisclosureFacts = TypedDict(
    "DisclosureFacts",
    {"class": str, "exemption": NotRequired[str], "basis": NotRequired[str]},
)


class PenaltyFacts(TypedDict, total=False):
    """The content of an administrative penalty."""

    conduct: str
    categories: list[str]
    content: str
    fine: str
    confiscated: str
    permit: str


class LicenceFacts(TypedDict, total=False):
    """The content of an administrative licence."""

    document_name: str
    category: str
    certificate_name: str
    certificate_number: str
    content: str


class EntryFacts(TypedDict):
    """The facts of a decision, as the department sent them, without empty values."""

    list_type: str
    subject: SubjectFacts
    decision: DecisionDetails
    reason: str
    legal_basis: str
    replaces: NotRequired[str]
    case_ref: NotRequired[str]
    responsible_persons: NotRequired[list[ResponsiblePersonFacts]]
    severity: NotRequired[str]
    conduct_ended_on: NotRequired[str]
    conduct_continues: NotRequired[bool]
    effective_from: NotRequired[str]
    effective_until: NotRequired[str | None]
    disclosure: NotRequired[DisclosureFacts]
    penalty: NotRequired[PenaltyFacts]
    licence: NotRequired[LicenceFacts]
    remark: NotRequired[str]
    unintentional: NotRequired[bool]
    extension: NotRequired[ExtensionFacts]


class SubjectNameChange(TypedDict):
    """The correct name of the subject in the decision."""

    name: str


class DecisionDetailChanges(TypedDict, total=False):
    """Correct facts of the decision."""

    number: str
    kind: str
    decided_on: str
    penalty_law: str | None


class FactChanges(TypedDict, total=False):
    """Facts that replace the recorded ones; null removes an optional fact."""

    subject: SubjectNameChange
    decision: DecisionDetailChanges
    reason: str
    legal_basis: str
    case_ref: str | None
    responsible_persons: list[ResponsiblePersonFacts] | None
    severity: str | None
    conduct_ended_on: str | None
    conduct_continues: bool | None
    effective_from: str | None
    effective_until: str | None
    disclosure: DisclosureFacts | None
    penalty: PenaltyFacts | None
    licence: LicenceFacts | None
    remark: str | None
    unintentional: bool | None


# --- the steps of a case -------------------------------------------------


class CaseStepDetail(TypedDict, total=False):
    """Further values of a step: the assisting unit, the repair rule, or the repaired entries."""

    unit: str
    rule: str
    entries: list[str]


class StoredCaseStep(TypedDict):
    """A step of an objection or of a repair."""

    step: str
    at: str
    outcome: str | None
    reasons: str | None
    actor_id: str | None
    actor: str
    person: str | None
    detail: CaseStepDetail
    digest: str


# --- the channels of an entry --------------------------------------------


class StoredPublication(TypedDict):
    """The publication on one channel; `judged_by` is the deadline that applies to it."""

    required: bool
    published_on: str | None
    url: str | None
    recorded_at: str | None
    withdrawn_on: str | None
    judged_by: str | None


StoredChannels = dict[str, StoredPublication]
"""The publications by the name of the channel."""
