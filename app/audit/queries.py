"""Reading the audit trail."""

from collections.abc import Mapping

from app.audit import store
from app.audit.schemas import AlarmPage, AlarmView, AuditPage, AuditRecordView
from app.db.tables import AccessRecord, AuditRecord
from app.http.pagination import PageRequest, make_cursor, read_id_cursor, split_page
from app.registry import Registry


def read_page(registry: Registry, page: PageRequest, filters: Mapping[str, object]) -> AuditPage:
    """Read the newest records first, changes and reads together; ids order them by time.

    `filters` are equalities by name: action, outcome, target, department, actor_id.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    before, limit = read_id_cursor(page.cursor), page.limit + 1
    with registry.database.reading() as connection:
        changes = store.read_newest(connection, AuditRecord, before, limit, filters)
    with registry.database.reading_ledger() as connection:
        accesses = store.read_newest(connection, AccessRecord, before, limit, filters)
        checks = store.read_newest_checks(connection, before, limit, filters)
    found = sorted([*changes, *accesses, *checks], key=lambda item: item.id, reverse=True)
    records, last_record = split_page(found[:limit], page.limit)
    return AuditPage(
        records=[AuditRecordView.model_validate(record._asdict()) for record in records],
        next=last_record and make_cursor(last_record.id),
    )


def read_alarms(registry: Registry, page: PageRequest, filters: Mapping[str, object]) -> AlarmPage:
    """Read the newest alarms; `filters` are equalities by name: action, department, actor_id.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    before, limit = read_id_cursor(page.cursor), page.limit + 1
    with registry.database.reading_ledger() as connection:
        found = store.read_newest_alarms(connection, before, limit, filters)
    alarms, last_alarm = split_page(found, page.limit)
    return AlarmPage(
        alarms=[
            AlarmView(
                id=alarm.id,
                raised_at=alarm.recorded_at,
                alarm=alarm.action,
                actor_id=alarm.actor_id,
                actor_name=alarm.actor_name,
                role=alarm.role,
                department=alarm.department,
                request_id=alarm.request_id,
                detail=alarm.detail,
            )
            for alarm in alarms
        ],
        next=last_alarm and make_cursor(last_alarm.id),
    )
