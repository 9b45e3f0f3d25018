"""The dispatcher of a server process: it starts worker processes for waiting jobs.

Workers are processes, so that an import never slows an answer. The dispatcher starts one when a job
arrives, and polls for jobs that a killed server, an expired lease or a lost node left behind.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from app.jobs.queue import JobQueue
from app.registry import Registry
from app.settings import Settings

log = logging.getLogger("redblack.jobs")

POLL_SECONDS = 5.0


class Dispatcher:
    """A dispatcher that starts workers beside one server process."""

    def __init__(self, registry: Registry, queues: Sequence[JobQueue]) -> None:
        self._registry = registry
        self._queues = queues
        self._woken = threading.Event()
        self._closing = False
        self._workers: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Start to poll for waiting jobs."""
        if self._registry.settings.submission_workers:
            self._thread.start()

    def wake(self) -> None:
        """Poll now, because a job was added."""
        self._woken.set()

    def close(self) -> None:
        """Stop polling and terminate the workers; another process continues their jobs."""
        self._closing = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(POLL_SECONDS)
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:  # a signal may be lost, and a kill is safe anywhere
                worker.kill()
                worker.wait()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._poll()
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                log.warning("jobs cannot be dispatched now: %s", type(error).__name__)
            # More often while a worker runs: when it ends, another job may wait.
            self._woken.wait(POLL_SECONDS / 10 if self._workers else POLL_SECONDS)
            self._woken.clear()

    def _poll(self) -> None:
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        registry = self._registry
        if not registry.ready:
            return
        for queue in self._queues:
            queue.clean_up(registry)
        if len(self._workers) < registry.settings.submission_workers and self._is_waiting():
            self._workers.append(_start_worker(registry.settings))

    def _is_waiting(self) -> bool:
        now = self._registry.clock.now()
        with self._registry.database.reading() as connection:
            return any(queue.is_waiting(connection, now) for queue in self._queues)


def _start_worker(settings: Settings) -> subprocess.Popen[bytes]:
    # A signal that stops the process group of the server stops the worker too.
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "work-submissions"],
        env={**os.environ, **settings.to_environment()},
        stdin=subprocess.DEVNULL,
    )
