"""Removal of the meter's counters by the dispatcher, when their window has ended."""

from datetime import datetime

from app.db.engines import Connection
from app.registry import Registry
from app.security.sweeps import delete_ended_counters


class SweepQueue:
    """A queue without jobs (`app.jobs.queue.JobQueue`): it only cleans up."""

    name = "sweeps"

    def is_waiting(self, connection: Connection, now: datetime) -> bool:
        """Return False: no worker process is needed."""
        del connection, now
        return False

    def run_next(self, registry: Registry, worker: str) -> bool:
        """Return False: there are no jobs."""
        del registry, worker
        return False

    def clean_up(self, registry: Registry) -> None:
        """Delete the counters of windows that have ended."""
        delete_ended_counters(registry)
