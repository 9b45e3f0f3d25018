"""The only place that asks what time it is; tests put another clock in."""

from datetime import UTC, date, datetime, timedelta, timezone

# China has kept UTC+8 without daylight saving since 1991; a fixed offset needs no zone database.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


def civil_day(instant: datetime) -> date:
    """The day in Shanghai at that instant: deadlines and terms turn at Beijing midnight."""
    return instant.astimezone(SHANGHAI).date()


class Clock:
    """The time of the machine."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)

    def today(self) -> date:
        """The present day in Shanghai."""
        return civil_day(self.now())
