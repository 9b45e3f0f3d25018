"""The work of a worker process: one job after the other, until none waits."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from app.jobs.queue import JobQueue, name_worker
from app.registry import Registry


def run_waiting_jobs(registry: Registry, queues: Sequence[JobQueue]) -> int:
    """Run jobs until none waits; return their number.

    Raises:
        KeyboardInterrupt: the process received a stop signal.
    """
    worker = name_worker()
    count = 0
    while any(queue.run_next(registry, worker) for queue in queues):
        count += 1
    return count


@contextmanager
def defer_signals() -> Iterator[threading.Event]:
    """Let a stop signal wait for the end of a step; the second signal acts at once.

    The event is set by the first signal. An exception in the middle of a statement would leave a
    connection that can neither continue nor roll back, on SQLite with its lock.
    """
    stopping = threading.Event()
    handlers: dict[int, Any] = {}

    def request_stop(number: int, _: object) -> None:
        stopping.set()
        signal.signal(number, handlers[number])

    if threading.current_thread() is threading.main_thread():  # only this one gets signals
        for stop_signal in (signal.SIGINT, signal.SIGTERM):
            handlers[stop_signal] = signal.signal(stop_signal, request_stop)
    try:
        yield stopping
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
