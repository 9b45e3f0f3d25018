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


class AlarmView(View):
    """One alarm: something that a person must look into.

    `alarm` is the action of the audit record with the same id. The detail of `sweep_suspected`
    names the measure that the key passed, its limit, the operation, and `refused_until`: until then
    the key gets no answer about natural persons (null if nothing is refused).
    """

    id: UUID
    raised_at: datetime
    alarm: str
    actor_id: UUID | None
    actor_name: str
    role: str
    department: str | None
    request_id: str | None
    detail: JsonObject


class AlarmPage(View):
    """A page of alarms, the newest first."""

    alarms: list[AlarmView]
    next: str | None
