"""Checks during other work: a separate process asks at a fixed rate.

Each connection has a timetable and at most one request under way. A latency counts from the moment
at which the request was due, so that one slow answer also delays those after it, as it would make
people wait. The correct answers are known beforehand, and a wrong one counts as an error.
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

from bench.machine import compute_percentile
from bench.rows import build_row_name, build_row_uscc

CONNECTIONS = 4
QUESTIONS_PER_SECOND = 40.0
"""Questions a second, of all connections together."""
FIRST_UNLISTED_SERIAL = 9_000_000
"""From this serial on nothing is imported: these subjects are not on file."""


@dataclass(frozen=True, slots=True)
class CheckSchedule:
    """The address, the API key, and the number of listed serials (from 0)."""

    address: str
    key: str
    listed_count: int


@dataclass(slots=True)
class PacedResults:
    """Latencies in seconds, and answers that were wrong or did not come."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def compute_percentile_ms(self, share: float) -> float:
        """The latency in milliseconds that this share of the answers did not exceed."""
        return 1000 * compute_percentile(sorted(self.latencies), share)


@contextmanager
def run_paced_checks(schedule: CheckSchedule) -> Iterator[PacedResults]:
    """Ask until the block ends; the answers are there once it has ended."""
    spawn = multiprocessing.get_context("spawn")
    is_over, (receiver, sender) = spawn.Event(), spawn.Pipe(duplex=False)
    process = spawn.Process(
        target=_run_all_connections, args=(schedule, is_over, sender), daemon=True
    )
    results = PacedResults()
    process.start()
    sender.close()
    try:
        receiver.recv()  # it is up: what it takes to start is no part of what is measured
        yield results
        is_over.set()
        received = receiver.recv()
        results.latencies, results.errors = received.latencies, received.errors
    finally:
        is_over.set()
        process.join(30)
        process.kill()


def _run_all_connections(schedule: CheckSchedule, is_over: Event, sender: Connection) -> None:
    sender.send(None)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        started = time.perf_counter()
        results = list(
            pool.map(
                lambda place: _run_connection(schedule, is_over, started, place), range(CONNECTIONS)
            )
        )
    latencies = [latency for part in results for latency in part.latencies]
    sender.send(PacedResults(latencies, sum(part.errors for part in results)))


def _run_connection(
    schedule: CheckSchedule, is_over: Event, started: float, connection_index: int
) -> PacedResults:
    """Send the requests of one connection by its timetable."""
    results, random = PacedResults(), Random(connection_index)  # noqa: S311 - no secrets
    interval = CONNECTIONS / QUESTIONS_PER_SECOND
    due = started + connection_index / QUESTIONS_PER_SECOND
    with closing(
        HTTPConnection(schedule.address.removeprefix("http://"), timeout=60)
    ) as connection:
        while not is_over.is_set():
            time.sleep(max(0, due - time.perf_counter()))
            serial, standing = pick_subject(random, schedule.listed_count)
            is_correct = _is_answered_correctly(connection, schedule.key, serial, standing)
            results.latencies.append(time.perf_counter() - due)
            results.errors += not is_correct
            due += interval
    return results


def pick_subject(random: Random, listed_count: int) -> tuple[int, str]:
    """A serial and its standing: every second one is listed."""
    if random.random() < 0.5:  # noqa: PLR2004 - half
        return random.randrange(listed_count), "black"
    return FIRST_UNLISTED_SERIAL + random.randrange(1_000_000), "none"


def _is_answered_correctly(
    connection: HTTPConnection, key: str, serial: int, standing: str
) -> bool:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/checks", orjson.dumps(build_check_body(serial)), headers)
        answer = connection.getresponse()
        body = answer.read()
    except (HTTPException, OSError):
        connection.close()
        return False
    return answer.status < 300 and orjson.loads(body)["results"][0]["standing"] == standing  # noqa: PLR2004


def build_check_body(serial: int) -> dict[str, Any]:
    """A check of one subject, as an approval system sends it."""
    subject = {
        "ref": "1",
        "scheme": "uscc",
        "number": build_row_uscc(serial),
        "name": build_row_name(serial),
    }
    return {
        "matter": "bidding",
        "purpose": "side-by-side benchmark",
        "case_no": f"BENCH-{serial}",
        "subjects": [subject],
    }
