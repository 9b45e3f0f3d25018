"""Background jobs of the rooms, as the dispatcher and the worker processes see them.

A room keeps its jobs in a table of its own, each under a lease: a worker holds a job until
`leased_until`, extends the lease with every step, and loses the job when the lease runs out.
"""

import os
import socket
import threading
from datetime import datetime
from typing import Protocol

from app.db.engines import Connection
from app.registry import Registry


class LeaseLost(Exception):
    """Another worker holds the lease of the job now: stop without a further write."""


class Cancelled(Exception):
    """The process is to stop: release the lease, so that another worker continues at once."""


class JobQueue(Protocol):
    """The waiting jobs of one room."""

    name: str

    def is_waiting(self, connection: Connection, now: datetime) -> bool:
        """Return True if a job waits for a worker."""

    def run_next(self, registry: Registry, worker: str) -> bool:
        """Claim and run the job that has waited longest; return False if none waits.

        Raises:
            KeyboardInterrupt: the process received a stop signal.
        """

    def clean_up(self, registry: Registry) -> None:
        """Do the work that comes by the clock: end what expired, delete what is past its term."""


def name_worker() -> str:
    """Return a name for the current worker, different for each process and thread."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{threading.get_ident() % 1_000_000}"
