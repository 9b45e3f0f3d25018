"""The queue of writers before a SQLite file: first come, first served, with an end to the wait.

`FairLock` orders the threads of a process, a file lock the processes; SQLite's own busy timeout
lets writers starve.
"""

import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.db.files import PRIVATE_MODE, remove_access_of_others
from app.errors import Sentence, Unavailable

LOCK_HELD = Sentence(
    "A lock of the database is held and does not become free",
    "数据库锁被长时间占用，无法写入",
)
HIGHEST_BYTES = 64


class FairLock:
    """A lock that serves its waiters in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def acquire(self, seconds: float) -> bool:
        """Wait for the lock; return False if it did not become free in time."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            granted = threading.Event()
            self._waiting.append(granted)
        if granted.wait(seconds):
            return True
        with self._guard:
            if granted.is_set():  # handed over at the last moment
                return True
            self._waiting.remove(granted)
            return False

    def release(self) -> None:
        """Hand the lock to the next waiter."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # handed over, never released in between
            else:
                self._held = False


class FileLock:
    """An exclusive lock between processes (`flock`), with an end to the wait.

    One thread at a time may use it. The system has no wait with an end, so another thread waits
    without one; a later caller takes its place over, or it releases the lock that nobody wants.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._guard = threading.Lock()
        self._pending: threading.Event | None = None
        self._is_wanted = False

    def acquire(self, seconds: float) -> bool:
        """Wait for the lock; return False if it did not become free in time."""
        with self._guard:
            pending = self._pending
            if pending is None:
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pending = self._pending = threading.Event()
                    waiter = threading.Thread(target=self._wait, args=(pending,), daemon=True)
                    waiter.start()
                else:
                    return True
            self._is_wanted = True
        pending.wait(seconds)
        with self._guard:
            self._is_wanted = False
            if not pending.is_set():
                return False
            self._pending = None
            return True

    def release(self) -> None:
        """Give the lock to another process."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _wait(self, granted: threading.Event) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError:
            return  # closed meanwhile
        with self._guard:
            if self._is_wanted:
                granted.set()
            else:
                self._pending = None
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class WriterGate:
    """One writer of a SQLite file at a time, over all processes that use it.

    The lock file holds the highest position of the database (epoch and sequence number) that was
    committed: a database that is behind it has lost changes.
    """

    def __init__(self, path: Path, wait_seconds: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._wait_seconds = wait_seconds
        self._lock = FairLock()
        name = f"{path}.lock"
        self._file = os.open(name, os.O_CREAT | os.O_RDWR, PRIVATE_MODE)
        remove_access_of_others(name)
        self._file_lock = FileLock(self._file)

    @contextmanager
    def __call__(self, wait_seconds: float | None = None) -> Iterator[None]:
        """Wait for the gate, and hold it while the block runs.

        Raises:
            Unavailable: the gate did not become free in time.
        """
        longest = self._wait_seconds if wait_seconds is None else wait_seconds
        deadline = time.monotonic() + longest
        if not self._lock.acquire(longest):
            raise Unavailable(LOCK_HELD)
        try:
            if not self._file_lock.acquire(max(0.0, deadline - time.monotonic())):
                raise Unavailable(LOCK_HELD)
            try:
                yield
            finally:
                self._file_lock.release()
        finally:
            self._lock.release()

    def record_highest(self, position: tuple[int, int]) -> None:
        """Keep the position that a commit reached; only while the gate is held."""
        if position > self.read_highest():
            with suppress(OSError):  # no room; the change is committed all the same
                os.pwrite(self._file, "{} {}".format(*position).ljust(HIGHEST_BYTES).encode(), 0)

    def read_highest(self) -> tuple[int, int]:
        """Return the highest position that was committed; zeros if none is known."""
        try:
            epoch, seq = map(int, os.pread(self._file, HIGHEST_BYTES, 0).split())
        except ValueError:  # empty, or from another release
            return 0, 0
        return epoch, seq

    def forget_highest(self) -> None:
        """Forget the highest position, because the database is replaced."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the lock file."""
        os.close(self._file)
