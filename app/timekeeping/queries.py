"""Reads of the clock: its state, for the person who confirms it."""

from datetime import datetime
from typing import NamedTuple

from app.db.clock_state import ClockRecord, read_clock_record
from app.errors import ClockUntrusted
from app.registry import Registry
from app.timekeeping.repair import Damage, find_damage


class ClockReport(NamedTuple):
    """The clock of this machine beside the traces in the database."""

    now: datetime
    record: ClockRecord
    trouble: ClockUntrusted | None
    damage: Damage


def read_clock_report(registry: Registry) -> ClockReport:
    """Read the clock, the last instant that the registry has seen, and the trouble between them."""
    trouble = registry.verify_clock()
    with registry.database.reading() as connection:
        now = registry.clock.now()
        return ClockReport(
            now, read_clock_record(connection), trouble, find_damage(connection, now)
        )
