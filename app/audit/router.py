"""Reading the audit trail over HTTP."""

from typing import Annotated
from uuid import UUID

from app import errors
from app.audit import queries, schemas, service
from app.audit.actions import AuditAction
from app.http.deps import RegistryDep, needs
from app.http.parameters import FilterText, PageDep, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.rules.permissions import Caller, Permission

router = KeyedRouter(prefix="/v1", tag="Exports")

Auditor = Annotated[Caller, needs(Permission.audit_read)]


@router.get("/audit/records", tags=["Audit"], responses=problems(errors.BadCursor))
def list_audit_records(
    caller: Auditor,
    registry: RegistryDep,
    page: PageDep,
    action: FilterText = None,
    outcome: FilterText = None,
    target: FilterText = None,
    department: FilterText = None,
    actor_id: UUID | None = None,
) -> schemas.AuditPage:
    """List audit records: actor, time, action, target and outcome, the newest first."""
    filters = collect_filters(
        action=action, outcome=outcome, target=target, department=department, actor_id=actor_id
    )
    records = queries.read_page(registry, page, filters)
    service.record_access(registry, caller, AuditAction.audit_read, filters=sorted(filters))
    return records


@router.get("/audit/alarms", tags=["Audit"], responses=problems(errors.BadCursor))
def list_alarms(
    caller: Auditor,
    registry: RegistryDep,
    page: PageDep,
    alarm: FilterText = None,
    department: FilterText = None,
    actor_id: UUID | None = None,
) -> schemas.AlarmPage:
    """List alarms, such as a key that seems to search for personal numbers, the newest first."""
    filters = collect_filters(action=alarm, department=department, actor_id=actor_id)
    alarms = queries.read_alarms(registry, page, filters)
    service.record_access(registry, caller, AuditAction.alarms_read, filters=sorted(filters))
    return alarms
