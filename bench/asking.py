"""Checks while something else goes on: a process of its own asks at a fixed rate.

Each connection has a timetable and one question under way at most. A latency counts from the moment
at which the question was due, so that one slow answer makes those behind it late too, as it would
make people wait. What is asked is known beforehand, and a wrong answer counts as an error.
"""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from random import Random
from typing import Any

import orjson

from bench.machine import percentile
from bench.rows import name, number

CONNECTIONS = 4
A_SECOND = 40.0
"""Questions a second, of all connections together."""
NEVER_LISTED = 9_000_000
"""From this serial on nothing is imported: they are asked for, and nothing is on file."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """Whom to ask, with which key, and about which listed serials (from 0)."""

    address: str
    key: str
    listed: int


@dataclass(slots=True)
class Answers:
    """Latencies in seconds, and answers that were wrong or did not come."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def percentile(self, share: float) -> float:
        """The latency in milliseconds that this share of the answers did not exceed."""
        return 1000 * percentile(sorted(self.latencies), share)


@contextmanager
def asking(timetable: Timetable) -> Iterator[Answers]:
    """Ask until the block ends; the answers are there once it has ended."""
    spawn = multiprocessing.get_context("spawn")
    over, (ours, theirs) = spawn.Event(), spawn.Pipe(duplex=False)
    process = spawn.Process(target=_ask_all, args=(timetable, over, theirs), daemon=True)
    answers = Answers()
    process.start()
    theirs.close()
    try:
        ours.recv()  # it is up: what it takes to start is no part of what is measured
        yield answers
        over.set()
        told = ours.recv()
        answers.latencies, answers.errors = told.latencies, told.errors
    finally:
        over.set()
        process.join(30)
        process.kill()


def _ask_all(timetable: Timetable, over: Event, told: Connection) -> None:
    told.send(None)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        parts = list(
            pool.map(lambda place: _ask(timetable, over, began, place), range(CONNECTIONS))
        )
    latencies = [latency for part in parts for latency in part.latencies]
    told.send(Answers(latencies, sum(part.errors for part in parts)))


def _ask(timetable: Timetable, over: Event, began: float, place: int) -> Answers:
    """Keep one connection's timetable."""
    answers, random = Answers(), Random(place)  # noqa: S311 - no secrets
    every = CONNECTIONS / A_SECOND
    due = began + place / A_SECOND
    with closing(HTTPConnection(timetable.address.removeprefix("http://"), timeout=60)) as line:
        while not over.is_set():
            time.sleep(max(0, due - time.perf_counter()))
            serial, standing = whom(random, timetable.listed)
            right = _answered(line, timetable.key, serial, standing)
            answers.latencies.append(time.perf_counter() - due)
            answers.errors += not right
            due += every
    return answers


def whom(random: Random, listed: int) -> tuple[int, str]:
    """A serial and its standing: every second one is listed."""
    if random.random() < 0.5:  # noqa: PLR2004 - half
        return random.randrange(listed), "black"
    return NEVER_LISTED + random.randrange(1_000_000), "none"


def _answered(line: HTTPConnection, key: str, serial: int, standing: str) -> bool:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        line.request("POST", "/v1/checks", orjson.dumps(question(serial)), headers)
        answer = line.getresponse()
        body = answer.read()
    except (HTTPException, OSError):
        line.close()
        return False
    return answer.status < 300 and orjson.loads(body)["results"][0]["standing"] == standing  # noqa: PLR2004


def question(serial: int) -> dict[str, Any]:
    """A check of one subject, as an approval system sends it."""
    subject = {"ref": "1", "scheme": "uscc", "number": number(serial), "name": name(serial)}
    return {
        "matter": "bidding",
        "purpose": "side-by-side benchmark",
        "case_no": f"BENCH-{serial}",
        "subjects": [subject],
    }
