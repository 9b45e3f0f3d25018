"""Exports: the registry's stream beside the same lines made in SQL by the database's own command.

What is read is counted and thrown away. The registry has one core, PostgreSQL and the reader the
others; of the commands `sqlite3` and `psql` have the core that the registry would have, and
PostgreSQL and the reader the others likewise.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from app.catalogue.store import read_current_calendar
from app.registry import Registry
from app.rules.disclosure import DUE_SOON_WORKING_DAYS
from app.settings import Settings
from bench.export_sql import query
from bench.machine import BenchError, Share, running_on, watched
from bench.registry import Founded, Served
from bench.turns import Figures, move

PATH = "/v1/exports/entries?scope=all"
COMPARED = 300
"""So many lines are held against each other: those that were recorded, and copies of them."""
PART_BYTES = 1 << 20
MEMORY_EVERY_SECONDS = 0.1
IDLE_SAMPLES = 10
LONGEST_TRAILER = 4096


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a stream: lines, and what the last one says."""

    lines: int
    last: bytes


def _read(parts: Iterable[bytes]) -> _Read:
    lines, tail = 0, b""
    for part in parts:
        lines += part.count(b"\n")
        tail = (tail + part[-LONGEST_TRAILER:])[-LONGEST_TRAILER:]
    return _Read(lines, tail.rstrip(b"\n").rpartition(b"\n")[2])


# --- the registry --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryExport:
    """The registry's own export, pulled by an auditor."""

    side: str
    registry: Served
    size: int
    share: Share
    database_pid: int | None
    work: str = "export"

    def measure(self, round_number: int) -> Figures:
        """Pull all of it."""
        del round_number
        if self.database_pid is not None:
            move(self.database_pid, self.share.others)
        with (
            running_on(self.share.others),
            watched(self.registry.pid, every=MEMORY_EVERY_SECONDS, at_rest=IDLE_SAMPLES) as memory,
        ):
            began = time.perf_counter()
            with self._stream() as parts:
                read = _read(parts)
            seconds = time.perf_counter() - began
        told = orjson.loads(read.last).get("trailer") or {"count": 0}
        counted = read.lines - 1  # the trailer is a line of its own
        missing = max(abs(self.size - counted), abs(self.size - told["count"]))
        return _figures(self.size / seconds, memory.peak, memory.above_idle, missing)

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first lines, read."""
        with self._stream() as parts:
            return _first(parts, count)

    @contextmanager
    def _stream(self) -> Iterator[Iterator[bytes]]:
        headers = {"Authorization": f"Bearer {self.registry.auditor_key}"}
        address = self.registry.address.removeprefix("http://")
        with closing(HTTPConnection(address, timeout=600)) as line:
            line.request("GET", PATH, headers=headers)
            answer = line.getresponse()
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise BenchError(f"an export was answered {answer.status}")
            yield iter(lambda: answer.read1(PART_BYTES), b"")


# --- the database's own command ------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandExport:
    """The same lines made in SQL; `arguments` gives the command for a limit or for all."""

    side: str
    arguments: Callable[[int | None], Sequence[str | Path]]
    size: int
    share: Share
    database_pid: int | None
    work: str = "export"

    def measure(self, round_number: int) -> Figures:
        """Run it to its end."""
        del round_number
        if self.database_pid is not None:
            move(self.database_pid, self.share.others)
        with running_on(self.share.others):
            began = time.perf_counter()
            with (
                self._started(None) as (process, output),
                watched(process.pid, every=MEMORY_EVERY_SECONDS, at_rest=0) as memory,
            ):
                read = _read(iter(lambda: output.read(PART_BYTES), b""))
                seconds = time.perf_counter() - began
        if process.returncode:
            raise BenchError(f"{self.side} failed: {self._said()}")
        return _figures(self.size / seconds, memory.peak, None, abs(self.size - read.lines))

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first lines, read.

        Raises:
            BenchError: the command failed.
        """
        with self._started(count) as (process, output):
            lines = _first(iter(lambda: output.read(PART_BYTES), b""), count)
        if process.returncode:
            raise BenchError(f"{self.side} failed: {self._said()}")
        return lines

    @contextmanager
    def _started(self, limit: int | None) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        with running_on(self.share.server):
            process = subprocess.Popen(  # noqa: S603 - a command of this machine, named here
                list(self.arguments(limit)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        with process:
            assert process.stdout is not None
            yield process, process.stdout
            process.stdout.close()

    def _said(self) -> str:
        done = subprocess.run(  # noqa: S603 - as above
            list(self.arguments(1)), capture_output=True, check=False, text=True
        )
        return done.stderr[-1000:]


def _figures(rate: float, memory: int, above_idle: int | None, errors: int) -> Figures:
    return Figures(
        rate=rate,
        p50=None,
        p99=None,
        memory=memory,
        memory_above_idle=above_idle,
        errors=errors,
        server_cores=None,
        beside_cores=None,
        rate_by_server_core=None,
    )


def _first(parts: Iterable[bytes], count: int) -> list[dict[str, Any]]:
    text = b""
    for part in parts:
        text += part
        if text.count(b"\n") > count:
            break
    return [orjson.loads(line) for line in islice(text.split(b"\n"), count)]


# --- both ----------------------------------------------------------------


def by_command(database: str, registry: Founded, own: RegistryExport) -> CommandExport | None:
    """The command beside a registry's export, proved to say the same; None where there is none.

    Raises:
        BenchError: a line that it makes is not the registry's.
    """
    name = "sqlite3" if database == "sqlite" else "psql"
    command = shutil.which(name)
    if command is None:
        return None
    lines = own.first(COMPARED)
    on = date.fromisoformat(lines[0]["on"])
    due_soon_until = _due_soon_until(registry, on)
    address = registry.environment["REDBLACK_DATABASE_URL"]
    file = registry.home / "var" / "registry.sqlite3"
    before = (
        [command, "-readonly", file] if database == "sqlite" else [command, "-Xq", address, "-c"]
    )
    made = CommandExport(
        side=name,
        arguments=lambda limit: [*before, query(database, on, due_soon_until, limit)],
        size=own.size,
        share=own.share,
        database_pid=own.database_pid,
    )
    for ours, theirs in zip(lines, made.first(COMPARED), strict=True):
        if ours != theirs:
            differing = [member for member in ours if ours[member] != theirs.get(member)]
            raise BenchError(f"{name} makes other lines than the registry: {differing}")
    return made


def _due_soon_until(registry: Founded, on: date) -> date:
    """The last deadline that counts as due soon on a day, by the registry's own calendar."""
    environment = registry.environment
    opened = Registry.open(
        Settings(
            data_dir=Path(environment["REDBLACK_DATA_DIR"]),
            database_url=environment["REDBLACK_DATABASE_URL"],
            secret_key_file=Path(environment["REDBLACK_SECRET_KEY_FILE"]),
        )
    )
    with closing(opened), opened.database.reading() as connection:
        calendar = read_current_calendar(opened, connection)
    return calendar.find_last_day_within(on, DUE_SOON_WORKING_DAYS)
