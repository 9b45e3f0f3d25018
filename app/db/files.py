"""Files of one embedded database: are they the opened ones, can others read them, is there room.

SQLite keeps using a file that was removed. Everything committed afterwards is lost with the process
if the removed file is the write-ahead log (`-wal`), and two processes no longer see each other's
locks if it is the index of the log (`-shm`). SQLite does not notice it; the inodes show it.

Never open and close a database file here: closing any descriptor of a file drops the locks that
SQLite holds on it (POSIX).
"""

import os
import threading
from pathlib import Path

PRIVATE_MODE = 0o600
LOG_SUFFIXES = ("-wal", "-shm")


class DatabaseFiles:
    """A database file of SQLite with its write-ahead log, as this process opened them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._main = str(path)
        self._logs = tuple(f"{path}{suffix}" for suffix in LOG_SUFFIXES)
        self._guard = threading.Lock()
        self._connections = 0
        self._opened: dict[str, tuple[int, int]] = {}

    def make_private(self) -> None:
        """Create the file for its owner only, and take existing files away from others.

        SQLite gives the write-ahead log the mode of the database file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(self._main, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE_MODE))
        except FileExistsError:
            for name in (self._main, *self._logs):
                remove_access_of_others(name)

    def note_opened(self) -> None:
        """Remember the files of a new connection."""
        with self._guard:
            self._connections += 1
            for name in self._logs:
                found = _identify(name)
                if found is not None:
                    self._opened.setdefault(name, found)

    def note_closed(self) -> None:
        """Forget the log after the last connection: SQLite may delete it from then on."""
        with self._guard:
            self._connections = max(0, self._connections - 1)
            if not self._connections:
                for name in self._logs:
                    self._opened.pop(name, None)

    def forget(self) -> None:
        """Forget the database file too, because it is to be replaced."""
        self._opened.clear()

    def is_in_place(self) -> bool:
        """Return True if all files are the ones that were opened; runs for every request."""
        return self.has_main_file() and self.has_log()

    def has_main_file(self) -> bool:
        """Return True if the database file is neither moved nor replaced."""
        found = _identify(self._main)
        return found is not None and self._opened.setdefault(self._main, found) == found

    def has_log(self) -> bool:
        """Return True if the write-ahead log and its index are the ones that were opened."""
        opened = self._opened
        for name in self._logs:
            known = opened.get(name)
            # Unknown again: the last connection was closed between the two readings.
            if known is not None and _identify(name) != known and opened.get(name) == known:
                return False
        return True

    def measure_free_bytes(self) -> int | None:
        """Return the bytes that this process may still write next to the file; None if unknown."""
        try:
            found = os.statvfs(self.path.parent)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize


def _identify(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - faster, and it runs for every request
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_access_of_others(name: str) -> None:
    """Leave a file to its owner alone, as far as this process may."""
    try:
        mode = os.stat(name).st_mode & 0o777  # noqa: PTH116
        if mode & ~PRIVATE_MODE:
            os.chmod(name, mode & PRIVATE_MODE)  # noqa: PTH101
    except OSError:
        return  # it is not there, or belongs to another user, who must decide
