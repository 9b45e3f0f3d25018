"""Bodies that the registry returns about entries."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from app.http.schemas import Day, SparseView, View
from app.rules.decision import DecisionKind, PenaltyLaw, PersonRole
from app.rules.disclosure import Channel, DisclosureState, TakeDown
from app.rules.identifiers import Scheme, Sex
from app.rules.law import DisclosureClass, ListKind, Severity, SubjectKind
from app.rules.status import Removal, Status
from app.rules.stored_json import JsonObject


class IdentifierView(SparseView):
    """A number as responses show it: whole for organisations, masked for persons."""

    scheme: Scheme
    number: str | None = None
    masked: str | None = None


class EntrySubjectView(View):
    """The subject as the decision names it."""

    id: UUID
    kind: SubjectKind
    name: str
    identifiers: list[IdentifierView]
    sex: Sex | None = Field(
        None, description="Where the list type publishes it (`namesake_fields`), else null"
    )
    age: int | None = Field(
        None,
        description="In full years on the day of the decision, where the list type publishes it",
    )


class ResponsiblePersonView(View):
    """A responsible person in the entry."""

    role: PersonRole
    name: str
    identifier: IdentifierView | None


class DecisionView(View):
    """The decision behind the entry."""

    number: str
    kind: DecisionKind
    decided_on: Day
    penalty_law: PenaltyLaw | None


class ChannelView(View):
    """One channel of publication."""

    channel: Channel
    required: bool
    published_on: Day | None
    url: str | None
    recorded_at: str | None
    withdrawn_on: Day | None
    state: DisclosureState


class TakeDownView(View):
    """The duty to withdraw an entry that may no longer be public, by the third working day."""

    since: Day
    due: Day
    state: TakeDown


class DisclosureView(View):
    """The duty to publish, and its fulfilment."""

    class_: Annotated[DisclosureClass, Field(alias="class")]
    exemption: str | None
    basis: str | None
    deadline: Day
    provisional: bool
    calendar_version: str
    reported: Literal["on_time", "late"]
    state: DisclosureState
    take_down: TakeDownView | None
    channels: list[ChannelView]


class ExtensionView(View):
    """The decision that extended the term."""

    number: str
    decided_on: Day
    legal_basis: str


class RemovalView(View):
    """The event that ended the entry before the end of its term."""

    by: Removal
    on: Day


class EffectView(SparseView):
    """A red entry that this black entry suspends; unreadable ones are only counted."""

    effect: Literal["suspends"]
    entry_id: UUID | None = None
    count: int | None = None


class EntryView(View):
    """An entry on a day (`on`)."""

    id: UUID
    version: int
    seq: int
    list_type: str
    list_: Annotated[ListKind, Field(alias="list")]
    domain: str
    department: str
    source_ref: str
    case_ref: str | None
    replaces: UUID | None
    subject: EntrySubjectView
    responsible_persons: list[ResponsiblePersonView]
    decision: DecisionView
    reason: str
    legal_basis: str
    severity: Severity | None
    conduct_ended_on: Day | None
    conduct_continues: bool
    effective_from: Day
    effective_until: Day | None
    ends_by_law_on: Day | None
    restored_on: Day | None
    extension: ExtensionView | None
    unintentional: bool
    penalty: JsonObject | None
    licence: JsonObject | None
    remark: str | None
    received_at: datetime
    recorded_at: datetime
    on: Day
    status: Status
    removal: RemovalView | None
    disputed: bool
    disclosure: DisclosureView
    effects: list[EffectView]


class EntryPage(View):
    """A page of entries, oldest first."""

    entries: list[EntryView]
    next: str | None


class FieldChange(View):
    """One fact before and after."""

    field: str
    old: Any
    new: Any


class VersionView(View):
    """One version: actor, time, reason and changed fields."""

    version: int
    seq: int
    recorded_at: datetime
    action: str
    actor: str
    reason: str | None
    changes: list[FieldChange]


class TurnView(View):
    """A status change without a new version; `because` names its cause, a day or another entry."""

    seq: int
    recorded_at: datetime
    day: Day
    status: Status
    because: Literal["day", "black_entry_active", "no_black_entry_active"]
    entry_id: UUID | None
    """The black entry that caused it, if the caller may read it."""


class History(View):
    """Every version and every other status change of an entry, oldest first."""

    entry_id: UUID
    versions: list[VersionView]
    turns: list[TurnView]
