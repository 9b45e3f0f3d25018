"""Models of exports and of the change feed."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, create_model

from app.entries.schemas import EntrySubjectView, EntryView
from app.http.schemas import Day, View
from app.rules.decision import DecisionKind, PersonRole
from app.rules.law import ListKind, Severity
from app.rules.status import Status
from app.rules.stored_json import JsonObject


class ExportFormat(StrEnum):
    """The format of an export."""

    ndjson = "ndjson"
    json = "json"
    csv = "csv"


class ExportScope(StrEnum):
    """Entries in force or yet to begin; or all, those that are over marked."""

    in_force = "in_force"
    all = "all"


class ExportMeta(View):
    """The state and the filters of an export."""

    epoch: int
    seq: int
    on: Day
    catalogue_version: str
    filters: dict[str, str]


class ExportTrailer(ExportMeta):
    """The proof; a file without it is incomplete."""

    count: int
    sha256: str = Field(description="In JSON: over the bytes of the entries array, from [ to ]")


# Every field of the view of an entry except `effects`, which the status of the other entries shows.
_EXPORTED: dict[str, Any] = {
    name: (field.annotation, field)
    for name, field in EntryView.model_fields.items()
    if name != "effects"
} | {"in_force": (bool, ...), "void": (bool, ...), "catalogue_version": (str, ...)}

ExportedEntry = create_model(
    "ExportedEntry",
    __base__=View,
    __doc__="An entry as recorded, with its status and states on the day `on`.",
    **_EXPORTED,
)


class ExportDocument(View):
    """An export as one JSON document."""

    meta: ExportMeta
    entries: list[ExportedEntry]
    trailer: ExportTrailer


class FeedPerson(View):
    """A responsible person of a public entry."""

    role: PersonRole
    name: str


class FeedDecision(View):
    """The decision that a public entry rests on."""

    number: str
    kind: DecisionKind
    decided_on: Day


class FeedEntry(View):
    """An entry as the public may read it: nothing that moves with the day but its status."""

    id: UUID
    version: int
    seq: int
    list_type: str
    list_: Annotated[ListKind, Field(alias="list")]
    domain: str
    department: str
    subject: EntrySubjectView
    responsible_persons: list[FeedPerson]
    decision: FeedDecision
    reason: str
    legal_basis: str
    severity: Severity | None
    effective_from: Day
    effective_until: Day | None
    ends_by_law_on: Day | None
    penalty: JsonObject | None
    licence: JsonObject | None
    recorded_at: datetime
    status: Status
    disputed: bool


class Change(View):
    """A number of the sequence: the entry as it is now, or that this caller sees it no more.

    Auditors get `entry` as an export shows it, without what moves with the day (`on`, the states of
    disclosure); subscribers as the public may read it.
    """

    seq: int
    recorded_at: datetime
    op: Literal["upsert", "remove"]
    entry_id: UUID
    entry: FeedEntry | JsonObject | None


class ChangePage(View):
    """Changes in the order of their commits; those that the caller may not see are left out.

    Go on from `next_after` until it is `head_seq`. Everything up to there, folded, is what the
    snapshot shows the same caller on `as_of_day`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "changes": [
                        {
                            "seq": 1042,
                            "recorded_at": "2026-11-22T02:00:00Z",
                            "op": "remove",
                            "entry_id": "01930f2e-7a3c-7c1e-9f00-3b0c9a1d2e4f",
                            "entry": None,
                        }
                    ],
                    "next_after": 1042,
                    "head_seq": 1042,
                    "epoch": 1,
                    "as_of_day": "2026-11-22",
                }
            ]
        }
    )

    changes: list[Change]
    next_after: int
    head_seq: int
    epoch: int
    as_of_day: Day
