"""Exports: the registry's stream compared with the same lines from the database's command.

The reader counts and discards all data. The registry has one core, PostgreSQL and the reader the
others; the commands `sqlite3` and `psql` have the core that the registry would have, and PostgreSQL
and the reader the others.
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

from app.calendar.queries import read_current_calendar
from app.registry import Registry
from app.rules.disclosure import DUE_SOON_WORKING_DAYS
from app.settings import Settings
from bench.export_sql import build_query
from bench.machine import BenchError, CoreShare, run_on_cores, watch_memory
from bench.measurements import Figures, set_cpu_affinity
from bench.registry import PreparedRegistry, ServedRegistry

PATH = "/v1/exports/entries?scope=all"
COMPARED_LINES = 300
"""Number of lines that are compared: recorded entries and copies of them."""
CHUNK_BYTES = 1 << 20
MEMORY_SAMPLE_SECONDS = 0.1
IDLE_SAMPLES = 10
MAX_TRAILER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _StreamSummary:
    """The summary of a stream: its lines, and the content of the last one."""

    line_count: int
    last_line: bytes


def _read_stream(chunks: Iterable[bytes]) -> _StreamSummary:
    lines, tail = 0, b""
    for chunk in chunks:
        lines += chunk.count(b"\n")
        tail = (tail + chunk[-MAX_TRAILER_BYTES:])[-MAX_TRAILER_BYTES:]
    return _StreamSummary(lines, tail.rstrip(b"\n").rpartition(b"\n")[2])


# --- the registry --------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryExport:
    """The registry's own export, pulled by an auditor."""

    side: str
    registry: ServedRegistry
    size: int
    share: CoreShare
    database_pid: int | None
    work: str = "export"

    def measure(self, round_number: int) -> Figures:
        """Pull all of it."""
        del round_number
        if self.database_pid is not None:
            set_cpu_affinity(self.database_pid, self.share.others)
        with (
            run_on_cores(self.share.others),
            watch_memory(
                self.registry.pid, interval_seconds=MEMORY_SAMPLE_SECONDS, idle_samples=IDLE_SAMPLES
            ) as memory,
        ):
            started = time.perf_counter()
            with self._stream() as parts:
                summary = _read_stream(parts)
            seconds = time.perf_counter() - started
        trailer = orjson.loads(summary.last_line).get("trailer") or {"count": 0}
        counted = summary.line_count - 1  # the trailer is a line of its own
        missing = max(abs(self.size - counted), abs(self.size - trailer["count"]))
        return _build_figures(
            self.size / seconds, memory.peak_bytes, memory.bytes_above_idle, missing
        )

    def read_first(self, count: int) -> list[dict[str, Any]]:
        """Read the first lines."""
        with self._stream() as parts:
            return _parse_first_lines(parts, count)

    @contextmanager
    def _stream(self) -> Iterator[Iterator[bytes]]:
        headers = {"Authorization": f"Bearer {self.registry.auditor_key}"}
        address = self.registry.address.removeprefix("http://")
        with closing(HTTPConnection(address, timeout=600)) as connection:
            connection.request("GET", PATH, headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise BenchError(f"an export was answered {answer.status}")
            yield iter(lambda: answer.read1(CHUNK_BYTES), b"")


# --- the database's own command ------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandExport:
    """The same lines made in SQL; `arguments` gives the command for a limit or for all."""

    side: str
    build_arguments: Callable[[int | None], Sequence[str | Path]]
    size: int
    share: CoreShare
    database_pid: int | None
    work: str = "export"

    def measure(self, round_number: int) -> Figures:
        """Run it to its end."""
        del round_number
        if self.database_pid is not None:
            set_cpu_affinity(self.database_pid, self.share.others)
        with run_on_cores(self.share.others):
            started = time.perf_counter()
            with (
                self._start(None) as (process, output),
                watch_memory(
                    process.pid, interval_seconds=MEMORY_SAMPLE_SECONDS, idle_samples=0
                ) as memory,
            ):
                summary = _read_stream(iter(lambda: output.read(CHUNK_BYTES), b""))
                seconds = time.perf_counter() - started
        if process.returncode:
            raise BenchError(f"{self.side} failed: {self._read_error_output()}")
        return _build_figures(
            self.size / seconds, memory.peak_bytes, None, abs(self.size - summary.line_count)
        )

    def read_first(self, count: int) -> list[dict[str, Any]]:
        """Read the first lines.

        Raises:
            BenchError: the command failed.
        """
        with self._start(count) as (process, output):
            lines = _parse_first_lines(iter(lambda: output.read(CHUNK_BYTES), b""), count)
        if process.returncode:
            raise BenchError(f"{self.side} failed: {self._read_error_output()}")
        return lines

    @contextmanager
    def _start(self, limit: int | None) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
        with run_on_cores(self.share.server):
            process = subprocess.Popen(  # noqa: S603 - a command of this machine, named here
                list(self.build_arguments(limit)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        with process:
            assert process.stdout is not None
            yield process, process.stdout
            process.stdout.close()

    def _read_error_output(self) -> str:
        done = subprocess.run(  # noqa: S603 - as above
            list(self.build_arguments(1)), capture_output=True, check=False, text=True
        )
        return done.stderr[-1000:]


def _build_figures(rate: float, memory: int, above_idle: int | None, errors: int) -> Figures:
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


def _parse_first_lines(chunks: Iterable[bytes], count: int) -> list[dict[str, Any]]:
    text = b""
    for chunk in chunks:
        text += chunk
        if text.count(b"\n") > count:
            break
    return [orjson.loads(line) for line in islice(text.split(b"\n"), count)]


# --- both ----------------------------------------------------------------


def build_command_export(
    database: str, registry: PreparedRegistry, registry_export: RegistryExport
) -> CommandExport | None:
    """Build the command for the same lines as a registry's export; None if there is none.

    Raises:
        BenchError: a line of the command differs from that of the registry.
    """
    name = "sqlite3" if database == "sqlite" else "psql"
    command = shutil.which(name)
    if command is None:
        return None
    lines = registry_export.read_first(COMPARED_LINES)
    day = date.fromisoformat(lines[0]["on"])
    due_soon_until = _compute_due_soon_until(registry, day)
    address = registry.environment["REDBLACK_DATABASE_URL"]
    file = registry.home / "var" / "registry.sqlite3"
    fixed_arguments = (
        [command, "-readonly", file] if database == "sqlite" else [command, "-Xq", address, "-c"]
    )
    command_export = CommandExport(
        side=name,
        build_arguments=lambda limit: [
            *fixed_arguments,
            build_query(database, day, due_soon_until, limit),
        ],
        size=registry_export.size,
        share=registry_export.share,
        database_pid=registry_export.database_pid,
    )
    for ours, theirs in zip(lines, command_export.read_first(COMPARED_LINES), strict=True):
        if ours != theirs:
            differing = [member for member in ours if ours[member] != theirs.get(member)]
            raise BenchError(f"{name} makes other lines than the registry: {differing}")
    return command_export


def _compute_due_soon_until(registry: PreparedRegistry, day: date) -> date:
    """Return the last deadline that counts as due soon on a day, by the registry's own calendar."""
    environment = registry.environment
    opened_registry = Registry.open(
        Settings(
            data_dir=Path(environment["REDBLACK_DATA_DIR"]),
            database_url=environment["REDBLACK_DATABASE_URL"],
            secret_key_file=Path(environment["REDBLACK_SECRET_KEY_FILE"]),
        )
    )
    with closing(opened_registry), opened_registry.database.reading() as connection:
        calendar = read_current_calendar(opened_registry, connection)
    return calendar.find_last_day_within(day, DUE_SOON_WORKING_DAYS)
