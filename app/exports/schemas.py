"""What auditors pull."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.wire import View


class ExportFormat(StrEnum):
    """How an export is written."""

    ndjson = "ndjson"
    json = "json"
    csv = "csv"


class ExportScope(StrEnum):
    """Entries in force or yet to begin; or all, those that are over marked."""

    in_force = "in_force"
    all = "all"


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
