"""The client that asks as fast as answers come: a process of its own, on cores of its own.

A fixed number of connections, kept alive, each with one request under way (a closed loop). Requests
are bytes before any clock runs, and of an answer nothing is read but where it ends; whether it was
the right one is looked at when the clock has stopped. So the client costs a small part of what any
server does, and says itself when that part was all of its core.
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

from bench.machine import BenchError, Cores, percentile, running_on

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_ENDS = b"\r\n\r\n"
RIGHT = b"HTTP/1.1 200"
MOST_SECONDS = 120
"""Longest wait for answers that are under way when the time is up."""
BUSY_SHARE = 0.9
"""From this share of its cores' time on it may be the client that is slow, and not the server."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and what the answer must hold, so many times, to be the right one."""

    content: bytes
    sign: bytes
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests to go round, over how many connections, and for how long.

    `processes` are the roots of the process trees whose work is counted, by name.
    """

    address: str
    requests: Sequence[Request]
    connections: int
    warm_seconds: float
    seconds: float
    cores: Cores
    processes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a load: answers a second, milliseconds, errors, and seconds of processor time.

    Everything but `errors` is of the time after the warm-up; `answers` may hold parts of some.
    """

    rate: float
    p50: float
    p99: float
    answers: float
    errors: int
    seconds: float
    worked: dict[str, float]

    def busy(self, cores: int) -> float:
        """The share of its cores' time that the client, and what else ran there, took."""
        beside = sum(seconds for name, seconds in self.worked.items() if name != "server")
        return beside / (self.seconds * cores)


class Client:
    """The process that asks, as whoever measures sees it."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def ask(self, load: Load) -> Outcome:
        """Put a load on a server.

        Raises:
            BenchError: it answered in a way that is not understood, or not at all.
        """
        try:
            self._line.send(load)
            told = self._line.recv()
        except (EOFError, OSError) as ended:
            raise BenchError("the client has ended") from ended
        if isinstance(told, Outcome):
            return told
        raise BenchError(str(told))


@contextmanager
def client() -> Iterator[Client]:
    """Run the process that asks until the block ends."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Client(ours)
    finally:
        ours.close()
        process.join(5)
        process.kill()


# --- in the process of its own -------------------------------------------


def _work(line: Connection) -> None:
    while True:
        try:
            load: Load = line.recv()
        except (EOFError, KeyboardInterrupt):
            return
        gc.collect()
        gc.disable()  # answers are kept until the end, and looking through them takes time
        try:
            with running_on(load.cores):
                line.send(uvloop.run(_Asking(load).run()))
        except KeyboardInterrupt:
            return
        except (BenchError, OSError, TimeoutError) as failed:
            line.send(str(failed) or type(failed).__name__)
        finally:
            gc.enable()


class _Asking:
    """One load: the connections share it, and note here what was answered when."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.next = 0
        self.going = True
        self.lost = 0
        self.failure: str | None = None
        self.under_way = 0
        self.over = asyncio.Event()
        self.opening: set[asyncio.Future[None]] = set()
        self.answered: list[tuple[int, float, float, bytes]] = []
        """Which request, when it was sent, when it was answered, and the answer."""

    async def run(self) -> Outcome:
        """Warm up, measure, and look at the answers."""
        load = self.load
        for _ in range(load.connections):
            await self.connect()
        await asyncio.sleep(load.warm_seconds)
        trees = {name: _tree(pid) for name, pid in load.processes.items()}
        before, own = {name: _worked(tree) for name, tree in trees.items()}, time.process_time()
        began = time.perf_counter()
        await asyncio.sleep(load.seconds)
        over = time.perf_counter()
        worked = {name: _worked(tree) - before[name] for name, tree in trees.items()}
        worked["client"] = time.process_time() - own
        self.going = False
        self.look_whether_over()
        async with asyncio.timeout(MOST_SECONDS):
            await self.over.wait()
        if self.failure is not None:
            raise BenchError(self.failure)
        return self._outcome(began, over, worked)

    async def connect(self) -> None:
        """Open a connection, which begins to ask."""
        name, _, port = self.load.address.removeprefix("http://").partition(":")
        await asyncio.get_running_loop().create_connection(lambda: _Line(self), name, int(port))

    def hung_up(self) -> None:
        """Count a question that a server hung up on, and go on over a new connection."""
        self.lost += 1
        self.under_way -= 1
        if self.going and self.failure is None:
            opening = asyncio.ensure_future(self.connect())
            self.opening.add(opening)  # a task that nobody holds may be collected
            opening.add_done_callback(self.opening.discard)
        self.look_whether_over()

    def look_whether_over(self) -> None:
        """Note when the last answer has come after the time was up, or that all is in vain."""
        if self.failure is not None or not (self.going or self.under_way):
            self.over.set()

    def _outcome(self, began: float, over: float, worked: dict[str, float]) -> Outcome:
        requests = self.load.requests
        wrong = sum(not _is_right(requests[place], answer) for place, _, _, answer in self.answered)
        measured = [(sent, at) for _, sent, at, _ in self.answered if at > began and sent < over]
        if not measured:
            raise BenchError(f"no answer in {over - began:.1f} seconds")
        latencies = sorted(1000 * (at - sent) for sent, at in measured)
        # An answer that lay partly within the time counts by that part: large ones are few.
        answers = sum((min(at, over) - max(sent, began)) / (at - sent) for sent, at in measured)
        return Outcome(
            rate=answers / (over - began),
            p50=percentile(latencies, 0.5),
            p99=percentile(latencies, 0.99),
            answers=answers,
            errors=wrong + self.lost,
            seconds=over - began,
            worked=worked,
        )


class _Line(asyncio.Protocol):
    """One connection: sends a request, waits for the end of its answer, sends the next."""

    __slots__ = ("asking", "held", "missing", "parts", "place", "sent", "transport", "waiting")

    def __init__(self, asking: _Asking) -> None:
        self.asking = asking
        self.held = b""  # of a head that has not come whole
        self.parts: list[bytes] = []
        self.missing = 0
        self.waiting = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvloop's own
        """Begin to ask."""
        self.transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up on a question has not answered it."""
        del exc
        if self.waiting:
            self.asking.hung_up()

    def data_received(self, data: bytes) -> None:
        """Take in a part of an answer, mostly the whole of it."""
        if self.missing:
            self.parts.append(data)
            self.missing -= len(data)
            if not self.missing:
                self._answered(b"".join(self.parts))
            return
        if self.held:
            data, self.held = self.held + data, b""
        ends = data.find(HEAD_ENDS)
        if ends < 0:
            self.held = data
            return
        length = LENGTH.search(data, 0, ends)
        if length is None:
            self._fail("an answer without content-length")
            return
        self.missing = ends + len(HEAD_ENDS) + int(length[1]) - len(data)
        if self.missing > 0:
            self.parts = [data]
        elif self.missing == 0:
            self._answered(data)
        else:
            self._fail("an answer that is longer than it says")

    def _answered(self, answer: bytes) -> None:
        asking = self.asking
        asking.answered.append((self.place, self.sent, time.perf_counter(), answer))
        asking.under_way -= 1
        self.waiting = False
        if asking.going:
            self._ask()
        else:
            self.transport.close()
            asking.look_whether_over()

    def _ask(self) -> None:
        asking = self.asking
        self.place = asking.next % len(asking.load.requests)
        asking.next += 1
        asking.under_way += 1
        self.waiting = True
        self.sent = time.perf_counter()
        self.transport.write(asking.load.requests[self.place].content)

    def _fail(self, why: str) -> None:
        self.asking.failure = self.asking.failure or why
        self.transport.close()


def _is_right(request: Request, answer: bytes) -> bool:
    return answer.startswith(RIGHT) and answer.count(request.sign) == request.count


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _worked(processes: Iterable[psutil.Process]) -> float:
    """The seconds of processor time that processes took so far; one that has ended took none."""
    seconds = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return seconds
