"""The machine of the benchmark: its cores, memory by process, and processes that surely end."""

import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import FrameType

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types

SAMPLE_SECONDS = 0.05
IDLE_SAMPLES = 20
START_SECONDS = 60
END_SECONDS = 30

Cores = frozenset[int]


class BenchError(Exception):
    """A measurement did not run; the message names the part."""


def compute_percentile(ascending_values: Sequence[float], share: float) -> float:
    """Return the value that this share of the ascending values does not exceed."""
    return (
        ascending_values[max(0, math.ceil(share * len(ascending_values)) - 1)]
        if ascending_values
        else math.nan
    )


# --- cores ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CoreShare:
    """The cores of the measured server, and of all others (client, database server)."""

    server: Cores
    others: Cores


def share_all_cores() -> CoreShare:
    """Let server and client share all cores, as on a small machine in use."""
    usable = frozenset(os.sched_getaffinity(0))
    return CoreShare(usable, usable)


def reserve_one_core() -> CoreShare:
    """Reserve one core for the server; a machine of one core has no other for the client."""
    usable = frozenset(os.sched_getaffinity(0))
    own = frozenset({max(usable)})
    return CoreShare(own, usable - own or own)


@contextmanager
def run_on_cores(cores: Cores) -> Iterator[None]:
    """Run this thread, and every thread and process that it starts meanwhile, on these cores."""
    previous_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, previous_cores)


# --- memory --------------------------------------------------------------


@dataclass(slots=True)
class MemoryUsage:
    """Proportional set size (PSS) of a process and all its children together, in bytes.

    Pages that processes share count once in all, so the sum over a tree is the cost of the tree.
    """

    pid: int
    idle_bytes: int = 0
    peak_bytes: int = 0
    samples: list[int] = field(default_factory=list)

    @property
    def bytes_above_idle(self) -> int:
        """Return the maximum above the idle value."""
        return max(0, self.peak_bytes - self.idle_bytes)

    def take_sample(self) -> int:
        """Measure the tree now."""
        root = psutil.Process(self.pid)
        used_bytes = sum(map(_read_proportional_set_size, [root, *root.children(recursive=True)]))
        self.peak_bytes = max(self.peak_bytes, used_bytes)
        return used_bytes


def _read_proportional_set_size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # it ended after it was listed
        return 0


@contextmanager
def watch_memory(
    pid: int, *, interval_seconds: float = SAMPLE_SECONDS, idle_samples: int = IDLE_SAMPLES
) -> Iterator[MemoryUsage]:
    """Sample the memory of a process tree until the block ends; idle is its memory just before.

    The interval is in seconds: a sample takes milliseconds of a core that a client may need.
    """
    memory = MemoryUsage(pid)
    is_over = threading.Event()
    idle_sizes = []
    for _ in range(idle_samples):
        idle_sizes.append(memory.take_sample())
        time.sleep(interval_seconds)
    memory.idle_bytes = memory.peak_bytes = int(median(idle_sizes)) if idle_sizes else 0
    sampler = threading.Thread(
        target=_sample_until, args=(memory, is_over, interval_seconds), daemon=True
    )
    sampler.start()
    try:
        yield memory
    finally:
        is_over.set()
        sampler.join()


def _sample_until(memory: MemoryUsage, is_over: threading.Event, interval_seconds: float) -> None:
    while not is_over.wait(interval_seconds):
        try:
            memory.take_sample()
        except psutil.NoSuchProcess:
            return


# --- processes -----------------------------------------------------------


def find_command(name: str) -> Path:
    """Find a command of the environment of this process."""
    return Path(sys.executable).with_name(name)


def run_command(
    arguments: Sequence[str | Path], *, home: Path, environment: Mapping[str, str]
) -> str:
    """Run a command to its end and return its output.

    Raises:
        BenchError: it failed; with the end of its output.
    """
    done = subprocess.run(  # noqa: S603 - commands of this environment
        list(arguments),
        cwd=home,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{Path(arguments[0]).name} failed: {done.stderr[-2000:]}")
    return done.stdout.strip()


@contextmanager
def run_server(
    arguments: Sequence[str | Path],
    *,
    home: Path,
    environment: Mapping[str, str],
    cores: Cores,
    readiness_url: str,
) -> Iterator[int]:
    """Run a server on some cores from its first answer 200 until the block ends; yield its pid.

    Raises:
        BenchError: it did not come up.
    """
    log = home / "server.log"
    with log.open("ab") as log_file, run_on_cores(cores):
        process = subprocess.Popen(  # noqa: S603 - commands of this environment
            list(arguments), cwd=home, env=dict(environment), stdout=log_file, stderr=log_file
        )
    try:
        _wait_until_ready(process, readiness_url, log)
        yield process.pid
    finally:
        _end_process(process)


def _wait_until_ready(process: subprocess.Popen[bytes], readiness_url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(readiness_url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(SAMPLE_SECONDS)
    raise BenchError(f"a server did not come up: {log.read_text()[-2000:]}")


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, with all its remaining children."""
    try:
        descendants = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        descendants = []
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, survivors = psutil.wait_procs(descendants, timeout=5)
    for child in survivors:
        child.kill()


def exit_on_sigterm() -> None:
    """Let a SIGTERM end the run as Ctrl-C does: child processes are ended first."""

    def exit_run(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, exit_run)


def find_free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def compute_folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder, after SQLite has written its log back."""
    for log in folder.rglob("*-wal"):
        with closing(sqlite3.connect(log.with_name(log.name.removesuffix("-wal")))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
