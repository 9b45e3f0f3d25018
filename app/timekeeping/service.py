"""Writes of the clock: a person confirms it, or repairs what a wrong clock did."""

from datetime import date

from pydantic import TypeAdapter, ValidationError

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.clock_state import read_clock_record, record_confirmation
from app.db.engines import Connection
from app.errors import InvalidPayload, Sentence
from app.http.schemas import Line
from app.http.validation import convert_validation_errors
from app.registry import Registry
from app.rules.clock_trust import is_day_ahead
from app.rules.permissions import COMMAND_LINE_CALLER
from app.timekeeping.repair import Repair, RepairResult, repair

__all__ = ["Repair", "RepairResult", "confirm_clock", "repair_clock"]


def confirm_clock(registry: Registry, today: date, reason: str) -> None:
    """Record that a person compared the clock of this machine with another one, and found it right.

    `today` is the day by the other clock. All processes whose clock agrees with this one continue
    within a second.

    Raises:
        ClockUntrusted: the clock differs from the clock of the database server.
        InvalidPayload: it is another day by the clock of this machine, the registry has recorded a
            day that has not come yet, or the reason is blank or holds a personal number.
    """
    require_same_day(registry, today)
    reason = _parse_reason(reason)
    with registry.database.reading() as connection:
        current_day = read_clock_record(connection).current_day
        if is_day_ahead(current_day, today):
            raise InvalidPayload(
                Sentence(
                    f"The registry has recorded the day {current_day}; a wrong clock did that. Run:"
                    " redblack db repair-clock",
                    f"系统已记录到 {current_day}，系时钟错误所致。请运行：redblack db repair-clock",
                )
            )
        registry.clock_guard.accept(connection)

    def work(connection: Connection) -> None:
        now = registry.clock.now()
        previous = read_clock_record(connection).seen_at
        record_confirmation(connection, now)
        record = audit.build_record(
            COMMAND_LINE_CALLER,
            now,
            AuditAction.clock_confirmed,
            "done",
            reason=reason,
            seen_at=previous and previous.isoformat(),
        )
        audit.record_changes(connection, [record])

    registry.write(work)


def repair_clock(registry: Registry, today: date, command: Repair) -> RepairResult:
    """Repair the registry after a wrong clock, and confirm the clock, in one transaction.

    `today` is the day by another clock.

    Raises:
        ClockUntrusted: the clock differs from the clock of the database server.
        InvalidPayload: it is another day by the clock of this machine, nothing is wrong, or the
            right instant cannot be the right one.
    """
    require_same_day(registry, today)
    command = command._replace(reason=_parse_reason(command.reason))
    with registry.database.reading() as connection:
        registry.clock_guard.accept(connection)
    return registry.write(lambda connection: repair(registry, connection, command))


def _parse_reason(reason: str) -> str:
    """Return a reason as one line.

    Raises:
        InvalidPayload: it is blank, too long, or holds a personal number.
    """
    try:
        return TypeAdapter[str](Line).validate_python(reason)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False)
        raise convert_validation_errors(
            {**item, "loc": ("body", "reason")} for item in found
        ) from None


def require_same_day(registry: Registry, today: date) -> None:
    """Refuse if the clock of this machine shows another day than the person.

    Raises:
        InvalidPayload: the days differ.
    """
    found = registry.clock.today()
    if found != today:
        raise InvalidPayload(
            Sentence(
                f"By the clock of this machine it is {found}, not {today}; set it right first",
                f"本机时钟显示 {found}，不是 {today}；请先校正时钟",
            )
        )
