"""The machine that is measured on: its cores, memory by process, and processes that surely end."""

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
    """What was to be measured did not run; the sentence says which part."""


def percentile(ranked: Sequence[float], share: float) -> float:
    """The value, of ascending ones, that this share of them does not exceed; none gives none."""
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


# --- cores ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """Which cores the measured server gets, and which all others (client, database server)."""

    server: Cores
    others: Cores


def every_core() -> Share:
    """Server and client share all cores, as on a small machine in use."""
    usable = frozenset(os.sched_getaffinity(0))
    return Share(usable, usable)


def one_core() -> Share:
    """The server has one core for itself; on a machine of one core there is no other."""
    usable = frozenset(os.sched_getaffinity(0))
    own = frozenset({max(usable)})
    return Share(own, usable - own or own)


@contextmanager
def running_on(cores: Cores) -> Iterator[None]:
    """This thread, and every thread and process that it starts meanwhile, runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


# --- memory --------------------------------------------------------------


@dataclass(slots=True)
class Memory:
    """Proportional set size (PSS) of a process and all its children together, in bytes.

    Pages that processes share count once in all, so the sum over a tree is what the tree costs.
    """

    pid: int
    idle: int = 0
    peak: int = 0
    samples: list[int] = field(default_factory=list)

    @property
    def above_idle(self) -> int:
        """How much more than when idle it held at its fullest."""
        return max(0, self.peak - self.idle)

    def sample(self) -> int:
        """What the tree holds now."""
        root = psutil.Process(self.pid)
        held = sum(map(_proportional, [root, *root.children(recursive=True)]))
        self.peak = max(self.peak, held)
        return held


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # it ended between being listed and being asked
        return 0


@contextmanager
def watched(
    pid: int, *, every: float = SAMPLE_SECONDS, at_rest: int = IDLE_SAMPLES
) -> Iterator[Memory]:
    """Sample the memory of a process tree until the block ends; idle is what it was just before.

    `every` is in seconds: a sample takes milliseconds of a core, which a client may want itself.
    """
    memory = Memory(pid)
    over = threading.Event()
    before = []
    for _ in range(at_rest):
        before.append(memory.sample())
        time.sleep(every)
    memory.idle = memory.peak = int(median(before)) if before else 0
    sampler = threading.Thread(target=_sample_until, args=(memory, over, every), daemon=True)
    sampler.start()
    try:
        yield memory
    finally:
        over.set()
        sampler.join()


def _sample_until(memory: Memory, over: threading.Event, every: float) -> None:
    while not over.wait(every):
        try:
            memory.sample()
        except psutil.NoSuchProcess:
            return


# --- processes -----------------------------------------------------------


def command(name: str) -> Path:
    """A command of the environment that this runs in."""
    return Path(sys.executable).with_name(name)


def run(arguments: Sequence[str | Path], *, home: Path, environment: Mapping[str, str]) -> str:
    """Run a command to its end and give what it printed.

    Raises:
        BenchError: it failed; with the last of what it said.
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
def served(
    arguments: Sequence[str | Path],
    *,
    home: Path,
    environment: Mapping[str, str],
    cores: Cores,
    ready: str,
) -> Iterator[int]:
    """Run a server on some cores, from when `ready` answers 200 until the block ends; its pid.

    Raises:
        BenchError: it did not come up.
    """
    log = home / "server.log"
    with log.open("ab") as said, running_on(cores):
        process = subprocess.Popen(  # noqa: S603 - commands of this environment
            list(arguments), cwd=home, env=dict(environment), stdout=said, stderr=said
        )
    try:
        _await_readiness(process, ready, log)
        yield process.pid
    finally:
        _end(process)


def _await_readiness(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while process.poll() is None and time.monotonic() < give_up:
            try:
                if client.get(ready).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(SAMPLE_SECONDS)
    raise BenchError(f"a server did not come up: {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here, and whatever it started that outlives it."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(family, timeout=5)
    for child in left:
        child.kill()


def end_on_termination() -> None:
    """Let a SIGTERM end the run like Ctrl-C does: with what was started ended first."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, leave)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def size_of(folder: Path) -> int:
    """The bytes of all files in a folder and below, with what SQLite has yet to write back."""
    for log in folder.rglob("*-wal"):
        with closing(sqlite3.connect(log.with_name(log.name.removesuffix("-wal")))) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
