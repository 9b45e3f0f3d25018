"""The audit trail as auditors read it."""

from datetime import datetime
from uuid import UUID

from app.http.schemas import View
from app.rules.stored_json import JsonObject


class AuditRecordView(View):
    """One audit record: actor, time, action, target and outcome."""

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
    detail: JsonObject


class AuditPage(View):
    """A page of the trail, the newest first."""

    records: list[AuditRecordView]
    next: str | None
