"""Loading a calendar notice: the new calendar and all dates that follow from it, in one change."""

from dataclasses import replace
from typing import NamedTuple

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.calendar.queries import read_calendar_at
from app.calendar.service import record_year
from app.catalogue.queries import read_law
from app.db.engines import Connection
from app.disclosure.service import recompute_deadlines
from app.redress.service import lock_open_cases, recompute_due_days
from app.registry import Registry
from app.rules.calendar import CalendarYear
from app.rules.permissions import COMMAND_LINE_CALLER


class NoticeResult(NamedTuple):
    """The new calendar version, and the numbers of recomputed deadlines and due days."""

    calendar_version: int
    deadlines: int
    due_days: int


def load_calendar_notice(registry: Registry, year: CalendarYear) -> NoticeResult:
    """Load or amend a year's notice, and recompute disclosure deadlines and due days of cases.

    All of it is one transaction: no reader sees the new calendar with old dates, and a failure
    leaves the old calendar. Each affected entry gets a new version with the reason `calendar`,
    whatever its state. Loading the same notice again recomputes nothing.
    """

    def work(connection: Connection) -> NoticeResult:
        # Cases before the counter row, as a step of a case locks them; otherwise both could wait
        # for each other.
        lock_open_cases(connection)
        at = registry.clock.now()
        version = record_year(registry, connection, year)
        # Read after taking the counter row: another notice may have been first.
        before = read_calendar_at(registry, connection, version - 1)
        law = replace(read_law(registry, connection), at=at)
        # The version is not committed yet, so it must not stay in the cache.
        registry.calendars.pop(version, None)
        deadlines = recompute_deadlines(registry, connection, law, before)
        record = audit.build_record(
            COMMAND_LINE_CALLER,
            at,
            AuditAction.calendar_loaded,
            "done",
            f"calendar/{version}",
            recomputed=deadlines,
        )
        audit.record_changes(connection, [record])
        due_days = recompute_due_days(connection, law)
        return NoticeResult(version, deadlines, due_days)

    return registry.write(work)
