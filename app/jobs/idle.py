"""Idle work: small units of background work in a server process, while no request comes."""

import asyncio
import logging
import threading
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from app.db.engines import DatabaseError

log = logging.getLogger("redblack.jobs")

QUIET_SECONDS = 1.0
"""The process is idle after so long without a notification."""
BUSY_SECONDS = 60.0
"""A process that is never idle does one unit of work after so long all the same."""


class IdleRunner:
    """Runs units of work on a thread when the process is idle.

    `work` does one unit and returns True if more is left. `name` names it in the log.
    """

    def __init__(self, work: Callable[[], bool], *, name: str) -> None:
        self._work = work
        self._name = name
        self._notified = False
        self._closed = False
        self._running = threading.Lock()
        self._task: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """Record that a request came and may have left work; call it on the event loop."""
        self._notified = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Wait for the running unit and start no other; the next process does the rest."""
        self._closed = (
            True  # before the wait: the lock is not fair, the next unit could take it first
        )
        with self._running:
            pass

    async def _run(self) -> None:
        waited = 0.0
        while True:
            while self._notified and waited < BUSY_SECONDS:
                self._notified = False
                await asyncio.sleep(QUIET_SECONDS)
                waited += QUIET_SECONDS
            waited = 0.0
            try:
                is_more_left = await run_in_threadpool(self._run_unit)
            except DatabaseError as error:
                log.warning("%s failed: %s", self._name, type(error).__name__)
                return  # the next notification starts another attempt
            if not is_more_left and not self._notified:
                return

    def _run_unit(self) -> bool:
        with self._running:
            return not self._closed and self._work()
