"""The guard of the clock: a process whose clock cannot be trusted answers and writes nothing.

Three comparisons, in this order:

1. on PostgreSQL this node with the server: a node that differs stops alone, and continues when its
   clock is right again;
2. at a start with the last instant that the registry has seen;
3. while the process runs, the wall clock with the boot-time clock, which nobody can set.

After 2 or 3 a person confirms the clock (`redblack db confirm-clock`). Between two comparisons
`is_trusted` answers from memory, because every request asks it.
"""

import threading
from collections.abc import Mapping
from datetime import timedelta

from app.clock import Clock, begin_of_day
from app.db.clock_state import ClockRecord, read_clock_record, read_server_time
from app.db.engines import Connection
from app.errors import ClockUntrusted, Sentence
from app.rules.clock_trust import (
    MAX_SERVER_DIFFERENCE,
    MAX_WALL_STEP,
    ClockTrouble,
    find_start_trouble,
    measure_difference,
)

_CONFIRM = Sentence(
    "; compare it with another clock, then run: redblack db confirm-clock",
    "；请与其他时钟核对后运行：redblack db confirm-clock",
)
_SENTENCES: Mapping[ClockTrouble, Sentence] = {
    ClockTrouble.differs_from_server: Sentence(
        "The clock of this node differs from the clock of the database server by more than 60"
        " seconds; set it right, and the node continues by itself",
        "本节点时钟与数据库服务器时钟相差超过60秒；校正后本节点自动恢复",
    ),
    ClockTrouble.was_set: Sentence(
        f"The clock of this machine was set by more than a day{_CONFIRM.en}",
        f"本机时钟被调整超过一天{_CONFIRM.zh}",
    ),
    ClockTrouble.behind: Sentence(
        "The clock of this machine is before the last time that the registry has seen"
        f"{_CONFIRM.en}",
        f"本机时钟早于系统最后记录的时间{_CONFIRM.zh}",
    ),
    ClockTrouble.ahead: Sentence(
        "The clock of this machine is far after the last time that the registry has seen"
        f"{_CONFIRM.en}",
        f"本机时钟远晚于系统最后记录的时间{_CONFIRM.zh}",
    ),
    ClockTrouble.day_ahead: Sentence(
        "The registry has recorded a day that has not come yet by the clock of this machine; if the"
        " clock is right, run: redblack db repair-clock",
        "系统已记录的日期晚于本机时钟的日期；如本机时钟正确，请运行：redblack db repair-clock",
    ),
}


class ClockGuard:
    """Decides if the clock of this process can be trusted."""

    def __init__(self, clock: Clock, *, has_server: bool, max_gap: timedelta) -> None:
        self._clock = clock
        self._has_server = has_server
        self._max_gap = max_gap
        self._lock = threading.Lock()
        # The offset of the wall clock when it was last accepted; None before the start is checked.
        self._accepted_offset: float | None = None
        # The offset by which the wall clock would agree with the server.
        self._server_offset: float | None = None
        self._confirmations = 0
        self._was_set = False

    def is_trusted(self) -> bool:
        """Return True if the clock can be trusted, from memory."""
        if self._accepted_offset is None or self._was_set:
            return False
        offset = self._clock.compute_wall_offset()
        if abs(offset - self._accepted_offset) > MAX_WALL_STEP.total_seconds():
            return False
        return not self._has_server or (
            self._server_offset is not None
            and abs(offset - self._server_offset) <= MAX_SERVER_DIFFERENCE.total_seconds()
        )

    def verify(self, connection: Connection) -> ClockUntrusted | None:
        """Compare the clock with the database and the boot-time clock; None if it is trusted."""
        with self._lock:
            trouble = self._find_trouble(connection)
        return None if trouble is None else ClockUntrusted(_SENTENCES[trouble])

    def require_trusted(self, connection: Connection) -> None:
        """Refuse if the clock cannot be trusted; it costs no statement if it can.

        Raises:
            ClockUntrusted: the clock cannot be trusted.
        """
        if not self.is_trusted():
            trouble = self.verify(connection)
            if trouble is not None:
                raise trouble

    def accept(self, connection: Connection) -> None:
        """Trust the clock of this process, because a person vouches for it.

        Raises:
            ClockUntrusted: the clock differs from the clock of the server.
        """
        with self._lock:
            if self._differs_from_server(connection):
                raise ClockUntrusted(_SENTENCES[ClockTrouble.differs_from_server])
            self._accept(read_clock_record(connection))

    def _find_trouble(self, connection: Connection) -> ClockTrouble | None:
        if self._differs_from_server(connection):
            return ClockTrouble.differs_from_server
        offset = self._clock.compute_wall_offset()
        if self._accepted_offset is not None and not self._was_set:
            step = abs(offset - self._accepted_offset)
            self._was_set = step > MAX_WALL_STEP.total_seconds()
            if not self._was_set:
                return None
        record = read_clock_record(connection)
        if self._was_set and record.confirmations == self._confirmations:
            return ClockTrouble.was_set
        trouble = find_start_trouble(
            self._clock.now(),
            record.seen_at,
            None if record.current_day is None else begin_of_day(record.current_day),
            self._max_gap,
        )
        if trouble is None:
            self._accept(record)
        return trouble

    def _accept(self, record: ClockRecord) -> None:
        self._accepted_offset = self._clock.compute_wall_offset()
        self._confirmations = record.confirmations
        self._was_set = False

    def _differs_from_server(self, connection: Connection) -> bool:
        if not self._has_server:
            return False
        before = self._clock.now()
        server = self._clock.read_server_time(lambda: read_server_time(connection))
        difference = measure_difference(before, server, self._clock.now())
        self._server_offset = self._clock.compute_wall_offset() - difference.total_seconds()
        return abs(difference) > MAX_SERVER_DIFFERENCE
