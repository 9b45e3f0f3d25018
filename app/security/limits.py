"""Limits of what one source or one process may do: hits in a window of time, slots to write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Lock

from cachetools import LRUCache

from app.clock import Clock
from app.errors import Busy

MAX_COUNTED_KEYS = 10_000


class WindowLimiter:
    """A limit of hits by each key, such as a source, in each window of time, in this process.

    Windows begin at multiples of their length: windows of 60 seconds are the minutes of the clock.
    A flood of keys takes no more memory than `MAX_COUNTED_KEYS`: the key that was quiet for longest
    is forgotten first, so a key past its limit stays past it while it continues.
    """

    def __init__(self, limit: int, window_seconds: int, clock: Clock) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._clock = clock
        self._counts: LRUCache[str, tuple[int, int]] = LRUCache(MAX_COUNTED_KEYS)
        self._lock = Lock()

    def hit(self, key: str) -> bool:
        """Count one hit of a key; return False past the limit."""
        window = int(self._clock.now().timestamp()) // self._window_seconds
        with self._lock:
            counted_window, count = self._counts.get(key, (window, 0))
            # Not equal instead of later: a clock that is set back must not extend a refusal.
            count = 1 if counted_window != window else count + 1
            self._counts[key] = window, count
        return count <= self._limit


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
