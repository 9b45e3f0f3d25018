"""Reading the audit trail over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app import errors
from app.audit import queries, schemas, service
from app.audit.actions import AuditAction
from app.http.deps import RegistryDep, needs
from app.http.pagination import make_cursor, read_id_cursor
from app.http.problems import problems
from app.rules.permissions import Caller, Permission

router = APIRouter(prefix="/v1", tags=["Exports"], responses=problems())

Auditor = Annotated[Caller, needs(Permission.audit_read)]
Code = Annotated[str | None, Query(max_length=80)]


@router.get("/audit/records", tags=["Audit"], responses=problems(errors.BadCursor))
def list_audit_records(
    caller: Auditor,
    registry: RegistryDep,
    action: Code = None,
    outcome: Code = None,
    target: Code = None,
    department: Code = None,
    actor_id: UUID | None = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.AuditPage:
    """List audit records: actor, time, action, target and outcome, the newest first."""
    asked = {
        "action": action,
        "outcome": outcome,
        "target": target,
        "department": department,
        "actor_id": actor_id,
    }
    filters = {name: value for name, value in asked.items() if value is not None}
    records = queries.read_page(
        registry, before=read_id_cursor(next_), limit=limit + 1, filters=filters
    )
    shown = records[:limit]
    service.record_access(registry, caller, AuditAction.audit_read, filters=sorted(filters))
    return schemas.AuditPage.model_validate(
        {
            "records": [{"seq": None, **record} for record in shown],
            "next": make_cursor(shown[-1]["id"]) if len(records) > limit else None,
        }
    )
