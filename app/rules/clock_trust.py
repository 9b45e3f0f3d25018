"""Limits within which the clock of a machine is trusted.

Days decide the status of entries and the deadlines of departments. A clock that is years ahead for
one request ends the terms of all entries, so a clock is compared with other clocks first.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum

MAX_WALL_STEP = timedelta(days=1)
"""While a process runs: how far the wall clock may move away from the boot-time clock."""
MAX_SERVER_DIFFERENCE = timedelta(seconds=60)
"""How far the clock of a node may differ from that of the database server."""
MAX_STEP_BACK = timedelta(minutes=5)
"""At a start: how far the clock may be before the last instant that the registry has seen."""


class ClockTrouble(StrEnum):
    """A reason not to trust the clock."""

    differs_from_server = "differs_from_server"
    was_set = "was_set"
    behind = "behind"
    ahead = "ahead"
    day_ahead = "day_ahead"


def find_start_trouble(
    now: datetime, seen_at: datetime | None, day_began_at: datetime | None, max_gap: timedelta
) -> ClockTrouble | None:
    """Compare the clock at a start with the traces of the last run; None if they agree.

    `seen_at` is the last instant that a process saw, `day_began_at` the beginning of the last day
    whose day change was recorded, and `max_gap` the longest time in which nothing ran.
    """
    if day_began_at is not None and now < day_began_at - MAX_STEP_BACK:
        return ClockTrouble.day_ahead
    if seen_at is None:
        return None
    if now < seen_at - MAX_STEP_BACK:
        return ClockTrouble.behind
    if now > seen_at + max_gap:
        return ClockTrouble.ahead
    return None


def measure_difference(before: datetime, server: datetime, after: datetime) -> timedelta:
    """Return how far this clock is ahead of the server, at the least.

    The server was read between `before` and `after`: a slow answer is no difference.
    """
    if server < before:
        return before - server
    if server > after:
        return after - server
    return timedelta(0)


def is_day_ahead(current_day: date | None, today: date) -> bool:
    """Return True if the registry has recorded the day change of a day that has not come yet."""
    return current_day is not None and current_day > today
