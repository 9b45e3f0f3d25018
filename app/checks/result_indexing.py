"""Sorting results in by whom was asked for, when nobody is asking.

Results are written in the order of asking, which is fast, and own reports look through those that
are not sorted in yet. So nothing is wrong while it waits; it only should not become many.
"""

import asyncio
import logging
import threading

from starlette.concurrency import run_in_threadpool

from app.checks import store
from app.db.engines import DatabaseError
from app.registry import Registry

log = logging.getLogger("redblack.checks")

QUIET_SECONDS = 1.0
"""After so long without a check it is quiet."""
RESULTS_AT_ONCE = 500
"""Results that are sorted in by one transaction: some milliseconds, for which checks wait."""
BUSY_SECONDS = 60.0
"""Where it is never quiet, a transaction's worth is sorted in after so long all the same."""


class Sorting:
    """Waits, on the event loop, for a quiet moment after the last check."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._noted = False
        self._closed = False
        self._at_work = threading.Lock()
        self._task: asyncio.Task[None] | None = None

    def note(self) -> None:
        """There was a check."""
        self._noted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._sort())

    def close(self) -> None:
        """Stop, once what is under way is done; the rest is sorted in after a check to come."""
        with self._at_work:
            self._closed = True

    async def _sort(self) -> None:
        waited = 0.0
        while True:
            while self._noted and waited < BUSY_SECONDS:
                self._noted = False
                await asyncio.sleep(QUIET_SECONDS)
                waited += QUIET_SECONDS
            waited = 0.0
            try:
                left = await run_in_threadpool(self._sort_some)
            except DatabaseError as away:
                log.warning("results could not be sorted in: %s", type(away).__name__)
                return  # after the next check it is tried again
            if not left and not self._noted:
                return

    def _sort_some(self) -> bool:
        with self._at_work:
            if self._closed:
                return False
            with self._registry.database.ledger() as connection:
                return store.sort_results(connection, RESULTS_AT_ONCE) > 0
