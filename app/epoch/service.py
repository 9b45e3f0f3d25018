"""Starting an epoch."""

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.counter import increment_epoch
from app.db.engines import Connection
from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER


def start_epoch(registry: Registry) -> int:
    """Start a new epoch after a restore or failover, and return its number.

    Holders of an export or a number of an earlier epoch learn from it that theirs is out of date.
    """
    return registry.write(lambda connection: record_epoch(registry, connection))


def record_epoch(registry: Registry, connection: Connection) -> int:
    """Start a new epoch in the transaction of the caller, and return its number."""
    epoch = increment_epoch(connection)
    record = audit.build_record(
        COMMAND_LINE_CALLER,
        registry.clock.now(),
        AuditAction.epoch_started,
        "done",
        f"epoch/{epoch}",
    )
    audit.record_changes(connection, [record])
    return epoch
