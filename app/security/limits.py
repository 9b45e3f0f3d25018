"""Limits of what one source or one process may ask: failed attempts, and slots to write."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from app.errors import Busy


class FailedAttempts:
    """Failed attempts of each source within the present minute, in this process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute: datetime | None = None
        self._counts: Counter[str] = Counter()

    def exceeded(self, source: str, now: datetime) -> bool:
        """Count one more attempt; return True past the limit."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[source] += 1
        return self._counts[source] > self._limit


class WriteLimiter:
    """Write slots: some writers work, the others wait on the event loop, first come, first served.

    Waiting writers hold no pool thread, so they never block a check, or the writer that they wait
    for.
    """

    def __init__(self, slots: int, queue: int, wait_seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a write slot, and hold it while the block runs.

        Raises:
            Busy: the queue is full, or no slot became free in time.
        """
        if self._waiting >= self._queue and self._slots.locked():
            raise Busy(retry_after=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Busy(retry_after=2) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()
