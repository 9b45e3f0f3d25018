"""Workers for large files: processes beside the server, so that an import never slows an answer.

A worker takes up what waits longest until nothing waits, and ends. The dispatcher of a server
process starts one when a file arrives, and looks from time to time for what another left behind: a
server that was killed, a worker whose lease ran out, a node that went away.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.registry import Registry
from app.settings import Settings
from app.submissions import service, store
from app.submissions.processing import row_by_row
from app.submissions.processing.job import ToldToStop
from app.submissions.store import SubmissionRow

log = logging.getLogger("redblack.submissions")

LOOK_SECONDS = 5.0
RECEIVING_HOURS = 24


class Dispatcher:
    """Starts workers beside one server process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._wanted = threading.Event()
        self._closing = False
        self._workers: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._mind, name="submissions", daemon=True)

    def start(self) -> None:
        """Begin to mind what waits."""
        if self._registry.settings.submission_workers:
            self._thread.start()

    def wake(self) -> None:
        """Something waits now."""
        self._wanted.set()

    def close(self) -> None:
        """Stop minding; workers are told to end, and what they leave is taken up again."""
        self._closing = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(LOOK_SECONDS)
            except subprocess.TimeoutExpired:  # a signal may be lost; to die at any point is safe
                worker.kill()
                worker.wait()

    def _mind(self) -> None:
        while not self._closing:
            try:
                self._look()
            except Exception as trouble:  # noqa: BLE001 - the database may be away for a while
                log.warning("submissions are not minded now: %s", type(trouble).__name__)
            # Sooner while somebody works, for when that one ends something else may wait.
            self._wanted.wait(LOOK_SECONDS / 10 if self._workers else LOOK_SECONDS)
            self._wanted.clear()

    def _look(self) -> None:
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        registry = self._registry
        if not registry.ready:
            return
        tidy(registry)
        now = registry.clock.now()
        if len(self._workers) < registry.settings.submission_workers:
            with registry.database.reading() as connection:
                waits = store.claimable(connection, now)
            if waits:
                self._workers.append(_start(registry.settings))


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    # Less urgent than answering; whoever stops the server with a signal stops this one as well.
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "work-submissions"],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
    )


def _environment(settings: Settings) -> dict[str, str]:
    named = {
        f"REDBLACK_{name.upper()}": str(value)
        for name, value in settings.model_dump(mode="json").items()
        if value is not None
    }
    return {**os.environ, **named}


def work_off(registry: Registry) -> int:
    """Take up submission after submission until none waits; how many there were."""
    worker = worker_name()
    count = 0
    while (row := claim(registry, worker)) is not None:
        work_on(registry, row)
        count += 1
    return count


def work_on(registry: Registry, row: SubmissionRow) -> None:
    """Work one off; whoever is told to stop lets it go, so that another may go on at once.

    Raises:
        KeyboardInterrupt: the process was told to stop.
    """
    with _heeding() as stopping:
        try:
            row_by_row.work(registry, row, stopping)
        except ToldToStop:
            registry.write(lambda connection: store.let_go(connection, row.id, row.worker))
    if stopping.is_set():
        raise KeyboardInterrupt


@contextmanager
def _heeding() -> Iterator[threading.Event]:
    """Let a signal to stop wait for the end of a step, but a second one no more.

    An exception in the midst of a statement leaves a connection that can neither go on nor roll
    back, on SQLite with its lock.
    """
    stopping = threading.Event()
    before: dict[int, Any] = {}

    def heed(number: int, _: object) -> None:
        stopping.set()
        signal.signal(number, before[number])

    if threading.current_thread() is threading.main_thread():  # no other hears signals
        for one in (signal.SIGINT, signal.SIGTERM):
            before[one] = signal.signal(one, heed)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def claim(registry: Registry, worker: str, only: UUID | None = None) -> SubmissionRow | None:
    """Take up what has waited longest, or one that is named; None where it does not wait."""
    now = registry.clock.now()
    until = now + timedelta(seconds=registry.settings.submission_lease_seconds)
    return registry.write(lambda connection: store.claim(connection, worker, now, until, only))


def worker_name() -> str:
    """Who works: for people, and different for every process and thread."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{threading.get_ident() % 1_000_000}"


def tidy(registry: Registry) -> None:
    """End what nobody approved in time, and let go of files that nobody needs any more."""
    now = registry.clock.now()
    with registry.database.reading() as connection:
        left = store.left_behind(connection, now - timedelta(hours=RECEIVING_HOURS))
        kept = store.kept_since(
            connection, now - timedelta(days=registry.settings.submission_keep_days)
        )
    service.lapse(registry)
    for submission_id in left:
        registry.write(lambda connection: store.forget(connection, submission_id))  # noqa: B023
    for submission_id in kept:
        registry.write(lambda connection: store.drop_parts(connection, [submission_id]))  # noqa: B023
