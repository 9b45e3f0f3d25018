"""The client that asks as fast as answers come: a process of its own, on cores of its own.

A fixed number of connections, kept alive, each with one request under way (a closed loop). Requests
are bytes before the measured time begins, and of an answer only its end is read; its content is
compared after the measured time. So the client costs a small part of the cost of any server, and
reports if that part used its whole core.
"""

import asyncio
import gc
import multiprocessing
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import psutil  # type: ignore[import-untyped]  # it ships no types
import uvloop

from bench.machine import BenchError, Cores, compute_percentile, run_on_cores

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEADER_END = b"\r\n\r\n"
OK_STATUS_LINE = b"HTTP/1.1 200"
MAX_WAIT_SECONDS = 120
"""Longest wait for answers that are under way when the time is over."""
BUSY_SHARE = 0.9
"""From this share of its cores' time on the client may be the slow part, and not the server."""


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes of a request, and the text that a correct answer contains `count` times."""

    content: bytes
    expected_text: bytes
    expected_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests to send in a loop, the number of connections, and the duration.

    `processes` are the roots of the process trees whose processor time is counted, by name.
    """

    address: str
    requests: Sequence[Request]
    connections: int
    warm_up_seconds: float
    seconds: float
    cores: Cores
    processes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """The result of a load: answers a second, milliseconds, errors, and seconds of processor time.

    Everything but `errors` is of the time after the warm-up; `answers` may contain parts of some.
    """

    rate: float
    p50: float
    p99: float
    answers: float
    errors: int
    seconds: float
    cpu_seconds: dict[str, float]

    def compute_busy_share(self, cores: int) -> float:
        """Return the share of its cores' time that the client, and other processes there, took."""
        other_seconds = sum(
            seconds for name, seconds in self.cpu_seconds.items() if name != "server"
        )
        return other_seconds / (self.seconds * cores)


class LoadClient:
    """The handle of the client process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run_load(self, load: Load) -> LoadResult:
        """Put a load on a server.

        Raises:
            BenchError: an answer is not understood, or none came.
        """
        try:
            self._connection.send(load)
            result = self._connection.recv()
        except (EOFError, OSError) as ended:
            raise BenchError("the client has ended") from ended
        if isinstance(result, LoadResult):
            return result
        raise BenchError(str(result))


@contextmanager
def run_client() -> Iterator[LoadClient]:
    """Run the client process until the block ends."""
    spawn = multiprocessing.get_context("spawn")
    own_end, child_end = spawn.Pipe()
    process = spawn.Process(target=_serve_loads, args=(child_end,), daemon=True)
    process.start()
    child_end.close()
    try:
        yield LoadClient(own_end)
    finally:
        own_end.close()
        process.join(5)
        process.kill()


# --- in the process of its own -------------------------------------------


def _serve_loads(connection: Connection) -> None:
    while True:
        try:
            load: Load = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        gc.collect()
        gc.disable()  # answers are kept until the end, and comparing them takes time
        try:
            with run_on_cores(load.cores):
                connection.send(uvloop.run(_LoadRun(load).run()))
        except KeyboardInterrupt:
            return
        except (BenchError, OSError, TimeoutError) as failed:
            connection.send(str(failed) or type(failed).__name__)
        finally:
            gc.enable()


class _LoadRun:
    """One load: the connections share it, and record here every answer and its time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.request_count = 0
        self.is_running = True
        self.lost_count = 0
        self.failure: str | None = None
        self.pending_count = 0
        self.finished = asyncio.Event()
        self.connecting: set[asyncio.Future[None]] = set()
        self.answers: list[tuple[int, float, float, bytes]] = []
        """The request, the time of sending, the time of the answer, and the answer."""

    async def run(self) -> LoadResult:
        """Warm up, measure, and compare the answers."""
        load = self.load
        for _ in range(load.connections):
            await self.connect()
        await asyncio.sleep(load.warm_up_seconds)
        process_trees = {name: _list_process_tree(pid) for name, pid in load.processes.items()}
        seconds_before, own_seconds_before = (
            {name: _sum_cpu_seconds(tree) for name, tree in process_trees.items()},
            time.process_time(),
        )
        started = time.perf_counter()
        await asyncio.sleep(load.seconds)
        ended = time.perf_counter()
        cpu_seconds = {
            name: _sum_cpu_seconds(tree) - seconds_before[name]
            for name, tree in process_trees.items()
        }
        cpu_seconds["client"] = time.process_time() - own_seconds_before
        self.is_running = False
        self.finish_if_done()
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            await self.finished.wait()
        if self.failure is not None:
            raise BenchError(self.failure)
        return self._build_result(started, ended, cpu_seconds)

    async def connect(self) -> None:
        """Open a connection, which starts to send."""
        name, _, port = self.load.address.removeprefix("http://").partition(":")
        await asyncio.get_running_loop().create_connection(
            lambda: _HttpConnection(self), name, int(port)
        )

    def handle_disconnect(self) -> None:
        """Count a request whose connection the server closed, and open a new connection."""
        self.lost_count += 1
        self.pending_count -= 1
        if self.is_running and self.failure is None:
            connecting = asyncio.ensure_future(self.connect())
            self.connecting.add(connecting)  # a task without a reference may be collected
            connecting.add_done_callback(self.connecting.discard)
        self.finish_if_done()

    def finish_if_done(self) -> None:
        """Finish if the last answer has come after the time was over, or if nothing can come."""
        if self.failure is not None or not (self.is_running or self.pending_count):
            self.finished.set()

    def _build_result(
        self, started: float, ended: float, cpu_seconds: dict[str, float]
    ) -> LoadResult:
        requests = self.load.requests
        wrong_count = sum(
            not _is_expected(requests[place], answer) for place, _, _, answer in self.answers
        )
        measured = [(sent, at) for _, sent, at, _ in self.answers if at > started and sent < ended]
        if not measured:
            raise BenchError(f"no answer in {ended - started:.1f} seconds")
        latencies = sorted(1000 * (at - sent) for sent, at in measured)
        # An answer that lay partly within the time counts by that part: large ones are few.
        answer_count = sum(
            (min(at, ended) - max(sent, started)) / (at - sent) for sent, at in measured
        )
        return LoadResult(
            rate=answer_count / (ended - started),
            p50=compute_percentile(latencies, 0.5),
            p99=compute_percentile(latencies, 0.99),
            answers=answer_count,
            errors=wrong_count + self.lost_count,
            seconds=ended - started,
            cpu_seconds=cpu_seconds,
        )


class _HttpConnection(asyncio.Protocol):
    """One connection: sends a request, waits for the end of its answer, sends the next."""

    __slots__ = (
        "is_waiting",
        "load_run",
        "missing_bytes",
        "partial_head",
        "parts",
        "request_index",
        "sent_at",
        "transport",
    )

    def __init__(self, load_run: _LoadRun) -> None:
        self.load_run = load_run
        self.partial_head = b""  # of a head that is not complete
        self.parts: list[bytes] = []
        self.missing_bytes = 0
        self.is_waiting = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's own
        """Begin to ask."""
        self.transport = transport
        self._send_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that closes the connection has not answered its request."""
        del exc
        if self.is_waiting:
            self.load_run.handle_disconnect()

    def data_received(self, data: bytes) -> None:
        """Receive a part of an answer, mostly the whole of it."""
        if self.missing_bytes:
            self.parts.append(data)
            self.missing_bytes -= len(data)
            if not self.missing_bytes:
                self._record_answer(b"".join(self.parts))
            return
        if self.partial_head:
            data, self.partial_head = self.partial_head + data, b""
        head_end = data.find(HEADER_END)
        if head_end < 0:
            self.partial_head = data
            return
        length = CONTENT_LENGTH.search(data, 0, head_end)
        if length is None:
            self._fail("an answer without content-length")
            return
        self.missing_bytes = head_end + len(HEADER_END) + int(length[1]) - len(data)
        if self.missing_bytes > 0:
            self.parts = [data]
        elif self.missing_bytes == 0:
            self._record_answer(data)
        else:
            self._fail("an answer that is longer than it says")

    def _record_answer(self, answer: bytes) -> None:
        load_run = self.load_run
        load_run.answers.append((self.request_index, self.sent_at, time.perf_counter(), answer))
        load_run.pending_count -= 1
        self.is_waiting = False
        if load_run.is_running:
            self._send_request()
        else:
            self.transport.close()
            load_run.finish_if_done()

    def _send_request(self) -> None:
        load_run = self.load_run
        self.request_index = load_run.request_count % len(load_run.load.requests)
        load_run.request_count += 1
        load_run.pending_count += 1
        self.is_waiting = True
        self.sent_at = time.perf_counter()
        self.transport.write(load_run.load.requests[self.request_index].content)

    def _fail(self, reason: str) -> None:
        self.load_run.failure = self.load_run.failure or reason
        self.transport.close()


def _is_expected(request: Request, answer: bytes) -> bool:
    return (
        answer.startswith(OK_STATUS_LINE)
        and answer.count(request.expected_text) == request.expected_count
    )


def _list_process_tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _sum_cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the seconds of processor time that processes took so far; an ended one counts 0."""
    seconds = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return seconds
