"""Background inspections of a server process: it becomes unready without waiting for a request."""

import logging
import threading
from collections.abc import Callable
from time import monotonic

from app.registry import Registry

log = logging.getLogger("redblack.guard")

LOCK_PROBE_PAUSE = 5.0
DAMAGE_SEARCH_SHARE = 0.002
"""The share of its time that a process may spend on reading whole database files."""
MIN_DAMAGE_SEARCH_PAUSE = 5.0


class Repeated:
    """Work that a thread repeats until it is closed; `work` returns the pause that follows."""

    def __init__(self, name: str, work: Callable[[], float]) -> None:
        self._name = name
        self._work = work
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Start no more rounds, and wait for the current one for a while."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            try:
                pause = self._work()
            except Exception:
                log.exception("%s failed; it is repeated", self._name)
                pause = 1.0


class Guard:
    """The inspections of one server process.

    Each has a thread of its own, because the probe of the locks waits for a lock and the search for
    damage reads whole files.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._repeated = [
            Repeated("inspection", self._inspect),
            Repeated("lock probe", self._probe_locks),
            Repeated("damage search", self._search_damage),
        ]

    def start(self) -> None:
        """Start to inspect."""
        for repeated in self._repeated:
            repeated.start()

    def close(self) -> None:
        """Stop; a probe that waits for a lock is left behind."""
        for repeated in self._repeated:
            repeated.close(1.0)

    def _inspect(self) -> float:
        self._registry.inspect()
        return self._registry.settings.tuning.inspection_seconds

    def _probe_locks(self) -> float:
        tuning = self._registry.settings.tuning
        self._registry.database.probe_write_locks(tuning.lock_wait_seconds)
        return min(LOCK_PROBE_PAUSE, tuning.lock_wait_seconds)

    def _search_damage(self) -> float:
        database = self._registry.database
        started = monotonic()
        if database.has_files_in_place():
            database.find_damage()
        return max(MIN_DAMAGE_SEARCH_PAUSE, (monotonic() - started) / DAMAGE_SEARCH_SHARE)
