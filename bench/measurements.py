"""One measurement of one side, repeated in every round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import psutil  # type: ignore[import-untyped]  # it ships no types

from bench.load_client import BUSY_SHARE, Load, LoadClient, Request
from bench.machine import Cores, CoreShare, watch_memory
from bench.report import print_progress

CONNECTIONS = 16
FEW_CONNECTIONS = 4
"""For large answers: each takes a core for long, and sixteen at once would only queue."""
MEMORY_SAMPLE_SECONDS = 0.5
"""Rare: a sample takes milliseconds of the core that the client needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of one measurement; None if it has no such figure.

    `rate` is a second, `p50` and `p99` milliseconds, memory bytes of the server with its children.
    """

    rate: float
    p50: float | None
    p99: float | None
    memory: int
    memory_above_idle: int | None
    errors: int
    server_cores: float | None
    """Number of cores that the server kept busy."""
    beside_cores: float | None
    """The same of the client and, if there is one, the database's own processes."""
    rate_by_server_core: float | None
    """The rate by the processor time of the server: the rate of a whole core."""


class Measurement(Protocol):
    """A measurement of one side that every round repeats."""

    @property
    def work(self) -> str:
        """The kind of work: check, many, subject, export, growth or workers."""

    @property
    def side(self) -> str:
        """The measured side."""

    def measure(self, round_number: int) -> Figures:
        """Measure once; every round uses other subjects, and the same ones for all sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadMeasurement:
    """A server that answers as fast as it can."""

    work: str
    side: str
    client: LoadClient
    seconds: float
    address: str
    pid: int
    database_pid: int | None = None
    requests: Callable[[int], Sequence[Request]]
    share: CoreShare
    connections: int = CONNECTIONS
    subjects_per_answer: int = 1
    """Number of subjects in one answer."""

    def measure(self, round_number: int) -> Figures:
        """Warm up for a quarter of the time, and measure."""
        database = self.database_pid
        load = Load(
            address=self.address,
            requests=self.requests(round_number),
            connections=self.connections,
            warm_up_seconds=self.seconds / 4,
            seconds=self.seconds,
            cores=self.share.others,
            processes={"server": self.pid} | ({} if database is None else {"database": database}),
        )
        if database is not None:
            set_cpu_affinity(database, self.share.others)
        with watch_memory(
            self.pid, interval_seconds=MEMORY_SAMPLE_SECONDS, idle_samples=1
        ) as memory:
            outcome = self.client.run_load(load)
        busy_share = outcome.compute_busy_share(len(self.share.others))
        if busy_share > BUSY_SHARE and self.share.server != self.share.others:
            print_progress(
                f"  {self.work}, {self.side}: the client's cores are {busy_share:.0%} busy"
            )
        server_seconds = outcome.cpu_seconds["server"]
        return Figures(
            rate=outcome.rate * self.subjects_per_answer,
            p50=outcome.p50,
            p99=outcome.p99,
            memory=memory.peak_bytes,
            memory_above_idle=None,
            errors=outcome.errors,
            server_cores=server_seconds / outcome.seconds,
            beside_cores=busy_share * len(self.share.others),
            rate_by_server_core=outcome.answers * self.subjects_per_answer / server_seconds
            if server_seconds
            else None,
        )


def set_cpu_affinity(pid: int, cores: Cores) -> None:
    """Let a process tree run on these cores from now on."""
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            if process.cpu_affinity() != sorted(cores):
                process.cpu_affinity(sorted(cores))
        except psutil.NoSuchProcess:  # it ended between being listed and being moved
            continue


def compute_medians(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure by itself; errors are added up, and memory is the most."""

    def compute_median(name: str) -> float | None:
        values = [getattr(one, name) for one in rounds]
        return None if None in values else median(values)

    rate = compute_median("rate")
    assert rate is not None
    return Figures(
        rate=rate,
        p50=compute_median("p50"),
        p99=compute_median("p99"),
        memory=max(one.memory for one in rounds),
        memory_above_idle=max((one.memory_above_idle or 0 for one in rounds), default=0)
        if rounds[0].memory_above_idle is not None
        else None,
        errors=sum(one.errors for one in rounds),
        server_cores=compute_median("server_cores"),
        beside_cores=compute_median("beside_cores"),
        rate_by_server_core=compute_median("rate_by_server_core"),
    )
