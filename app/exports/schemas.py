"""What auditors pull."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field, create_model

from app.entries.schemas import EntryView
from app.wire import Day, View


class ExportFormat(StrEnum):
    """How an export is written."""

    ndjson = "ndjson"
    json = "json"
    csv = "csv"


class ExportScope(StrEnum):
    """Entries in force or yet to begin; or all, those that are over marked."""

    in_force = "in_force"
    all = "all"


class ExportMeta(View):
    """What the export is a picture of."""

    epoch: int
    seq: int
    on: Day
    catalogue_version: str
    filters: dict[str, str]


class ExportTrailer(ExportMeta):
    """The proof; a file without it is incomplete."""

    count: int
    sha256: str = Field(description="In JSON: over the bytes of the entries array, from [ to ]")


# Every field of an entry's view but `effects`, which stand in the other entries' own status.
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


class AuditRecordView(View):
    """Who did what, when, to what, with which result."""

    id: UUID
    recorded_at: datetime
    actor_id: UUID | None
    actor_name: str
    role: str
    department: str | None
    action: str
    outcome: str
    target: str | None
    seq: int | None
    request_id: str | None
    detail: dict[str, Any]


class AuditPage(View):
    """A page of the trail, the newest first."""

    records: list[AuditRecordView]
    next: str | None
