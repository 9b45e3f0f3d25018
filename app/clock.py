"""The only place that asks what time it is; tests put another clock in."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

# China has kept UTC+8 without daylight saving since 1991; a fixed offset needs no zone database.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

# It counts on while the machine sleeps and nobody can set it. Only Linux has it.
BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def civil_day(instant: datetime) -> date:
    """The day in Shanghai at that instant: deadlines and terms turn at Beijing midnight."""
    return instant.astimezone(SHANGHAI).date()


def begin_of_day(day: date) -> datetime:
    """The instant at which a day begins in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


class Clock:
    """The time of the machine."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The present day in Shanghai."""
        return civil_day(self.now())

    def compute_wall_offset(self) -> float:
        """Return the wall clock minus the boot-time clock, in seconds.

        It changes only if the wall clock is set.
        """
        return time.time() - time.clock_gettime(BOOT_CLOCK)

    def read_server_time(self, read: Callable[[], datetime]) -> datetime:
        """Return the time of the database server, which `read` asks for."""
        return read()
