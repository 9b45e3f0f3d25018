"""Work that comes by the clock: a thread of each server process, also without traffic.

It compares the clock with other clocks, records the instant that the process has seen, and does the
daily work (the day change) once for each day.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from app.clock import begin_of_day, civil_day
from app.db.clock_state import read_clock_record, record_sighting
from app.db.engines import DatabaseError
from app.errors import RegistryError
from app.registry import Registry

log = logging.getLogger("redblack.jobs")

TICK_SECONDS = 10.0
CLOSE_SECONDS = 5.0
SIGHTING_INTERVAL = timedelta(minutes=1)
"""One process of all records an instant so often; a start notices a clock that is set back."""


class Timekeeper:
    """The thread of one server process that does the work that comes by the clock.

    `daily_work` must be harmless if several processes do it on the same day.
    """

    def __init__(
        self, registry: Registry, daily_work: Sequence[Callable[[Registry], None]]
    ) -> None:
        self._registry = registry
        self._daily_work = daily_work
        self._finished_day: date | None = None
        self._was_trusted = True
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread after the work that it is doing."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def tick(self) -> None:
        """Compare the clock, record the instant, and do the daily work if a new day has begun.

        Does nothing more than compare while the clock cannot be trusted or the registry is not
        ready.

        Raises:
            DatabaseError, RegistryError: the database is away; the next tick tries again.
        """
        registry = self._registry
        trouble = registry.verify_clock()
        if trouble is not None and self._was_trusted:
            log.error("%s: %s", trouble.code, trouble.detail.en)
        self._was_trusted = trouble is None
        if not registry.ready:
            return
        now = registry.clock.now()
        self._record_sighting(now)
        day = civil_day(now)
        if day != self._finished_day:
            for work in self._daily_work:
                work(registry)
            self._finished_day = day

    def compute_wait(self) -> float:
        """Return the seconds until the next tick: `TICK_SECONDS`, or less before midnight."""
        now = self._registry.clock.now()
        midnight = begin_of_day(civil_day(now) + timedelta(days=1))
        return min(TICK_SECONDS, (midnight - now).total_seconds())

    def _record_sighting(self, now: datetime) -> None:
        database = self._registry.database
        with database.reading() as connection:
            seen_at = read_clock_record(connection).seen_at
        if seen_at is None or now - seen_at >= SIGHTING_INTERVAL:
            self._registry.write(lambda connection: record_sighting(connection, now))

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
            except (DatabaseError, RegistryError) as error:  # the database may be away for a while
                log.warning("work by the clock is put off: %s", type(error).__name__)
            except Exception:  # a fault of one day must not end the work of the next day
                log.exception("work by the clock failed")
            self._closing.wait(self.compute_wait())
