"""PocketBase: a backend in one process over SQLite, filled through its batch API.

The collection holds the same facts as an entry, with a unique index on the USCC and open rules, so
that no token is checked. The batch API is off by default; here it is on, with the largest batch of
the trials. The log of requests is off, which is to its advantage.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import httpx
import orjson

from bench.machine import (
    BenchError,
    Cores,
    compute_folder_size,
    find_command,
    find_free_port,
    run_command,
    run_server,
)
from bench.rows import read_rows

COLLECTION = "entries"
SUPERUSER = "bench@bench.example"
BATCH_SIZES = (50, 200, 1000)
CONNECTIONS = (1, 2, 4)
TRIAL_ROWS = 4_000
"""For each pair of batch size and connections: one of the largest batches for each connection."""
BATCH_TIMEOUT_SECONDS = 600
MAX_BODY_BYTES = 2_000_000_000

TEXTS = (
    "list_type",
    "source_ref",
    "case_ref",
    "subject_kind",
    "subject_name",
    "uscc",
    "decision_number",
    "decision_kind",
    "reason",
    "legal_basis",
    "severity",
    "disclosure_class",
)
DATES = ("decided_on", "conduct_ended_on", "effective_from", "effective_until")


@dataclass(frozen=True, slots=True)
class ServedPocketbase:
    """A running PocketBase with an empty collection."""

    address: str
    pid: int
    folder: Path

    def measure_size(self) -> int:
        """Return the bytes of its databases."""
        return compute_folder_size(self.folder)

    def count_records(self) -> int:
        """Return the number of records in the collection."""
        records = f"{self.address}/api/collections/{COLLECTION}/records"
        answer = httpx.get(records, params={"perPage": 1}, trust_env=False, timeout=60)
        answer.raise_for_status()
        return int(answer.json()["totalItems"])


@dataclass(frozen=True, slots=True)
class FillMethod:
    """The way of filling: records in a batch, and batches that are sent at the same time."""

    batch: int
    connections: int


def find_executable(given_path: str | None) -> Path:
    """Find its command: the given one, the one of this environment, or the one on the path.

    Raises:
        BenchError: there is none.
    """
    environment_command = find_command("pocketbase")
    found = given_path or (
        str(environment_command) if environment_command.exists() else shutil.which("pocketbase")
    )
    if found is None:
        raise BenchError("pocketbase is not installed; it comes with the extra `bench`")
    return Path(found)


def read_version(pocketbase: Path, home: Path) -> str:
    """Return the measured release."""
    return run_command([pocketbase, "--version"], home=home, environment=os.environ).split()[-1]


# --- serving -------------------------------------------------------------


@contextmanager
def serve_new(home: Path, pocketbase: Path, cores: Cores) -> Iterator[ServedPocketbase]:
    """Serve a new PocketBase until the block ends."""
    home.mkdir(mode=0o755)
    password = token_urlsafe()
    run_command(
        [pocketbase, "superuser", "upsert", SUPERUSER, password, *_build_arguments(home)],
        home=home,
        environment=os.environ,
    )
    with serve_existing(home, pocketbase, cores) as new_server:
        _configure(new_server.address, password)
        yield new_server


@contextmanager
def serve_existing(home: Path, pocketbase: Path, cores: Cores) -> Iterator[ServedPocketbase]:
    """Serve an existing PocketBase."""
    host_and_port = f"127.0.0.1:{find_free_port()}"
    with run_server(
        [pocketbase, "serve", "--http", host_and_port, *_build_arguments(home)],
        home=home,
        environment=os.environ,
        cores=cores,
        readiness_url=f"http://{host_and_port}/api/health",
    ) as pid:
        yield ServedPocketbase(f"http://{host_and_port}", pid, home / "data")


def _build_arguments(home: Path) -> list[str]:
    return ["--dir", str(home / "data"), "--automigrate=false"]


def _configure(address: str, password: str) -> None:
    """Allow batches and create the collection."""
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        login = {"identity": SUPERUSER, "password": password}
        answer = client.post("/api/collections/_superusers/auth-with-password", json=login)
        client.headers["Authorization"] = answer.raise_for_status().json()["token"]
        batch = {
            "enabled": True,
            "maxRequests": max(BATCH_SIZES),
            "maxBodySize": MAX_BODY_BYTES,
            "timeout": BATCH_TIMEOUT_SECONDS,
        }
        settings = {"batch": batch, "logs": {"maxDays": 0}}
        client.patch("/api/settings", json=settings).raise_for_status()
        client.post("/api/collections", json=_build_collection()).raise_for_status()


def _build_collection() -> dict[str, Any]:
    texts = [{"name": name, "type": "text", "required": True} for name in TEXTS]
    dates = [{"name": name, "type": "date", "required": True} for name in DATES]
    persons = {"name": "responsible_persons", "type": "json"}
    return {
        "name": COLLECTION,
        "type": "base",
        "fields": [*texts, *dates, persons],
        "indexes": [f"CREATE UNIQUE INDEX idx_uscc ON {COLLECTION} (uscc)"],
        "listRule": "",
        "createRule": "",
    }


# --- filling -------------------------------------------------------------


def build_record(row: dict[str, Any]) -> dict[str, Any]:
    """Build a record of the collection from the facts of a push."""
    subject, decision = row["subject"], row["decision"]
    same_names = (
        "list_type",
        "source_ref",
        "case_ref",
        "responsible_persons",
        "reason",
        "legal_basis",
    )
    nullable_names = ("severity", "conduct_ended_on", "effective_from", "effective_until")
    return {
        **{name: row[name] for name in same_names + nullable_names},
        "subject_kind": subject["kind"],
        "subject_name": subject["name"],
        "uscc": subject["identifiers"][0]["number"],
        "decision_number": decision["number"],
        "decision_kind": decision["kind"],
        "decided_on": decision["decided_on"],
        "disclosure_class": row["disclosure"]["class"],
    }


def insert_records(home: Path, records: Iterable[dict[str, Any]]) -> None:
    """Insert records into the file of a stopped PocketBase, as it would store them itself."""
    names = (*TEXTS, *DATES, "responsible_persons")
    placeholders = ", ".join("?" * len(names))
    statement = f"INSERT INTO {COLLECTION} ({', '.join(names)}) VALUES ({placeholders})"  # noqa: S608
    with closing(sqlite3.connect(home / "data" / "data.db")) as database, database:
        database.executemany(statement, map(_format_record, records))


def _format_record(facts: dict[str, Any]) -> tuple[str, ...]:
    return (
        *(facts[name] for name in TEXTS),
        *(f"{facts[name]} 00:00:00.000Z" for name in DATES),
        orjson.dumps(facts["responsible_persons"]).decode(),
    )


def build_batch_requests(file: Path) -> list[bytes]:
    """Build the requests of a file's rows before the measured time: the client is not measured."""
    url = f"/api/collections/{COLLECTION}/records"
    return [
        orjson.dumps({"method": "POST", "url": url, "body": build_record(row)})
        for row in read_rows(file)
    ]


@dataclass(frozen=True, slots=True)
class FillResult:
    """The seconds from the first byte to the last answer, and the number of refused batches.

    A refused batch is not sent again.
    """

    seconds: float
    refused_batches: int


def fill_collection(
    pocketbase: ServedPocketbase, requests: list[bytes], method: FillMethod
) -> FillResult:
    """Send all records in batches."""
    batches = [
        requests[first : first + method.batch] for first in range(0, len(requests), method.batch)
    ]
    shares = [batches[place :: method.connections] for place in range(method.connections)]
    started = time.perf_counter()
    with ThreadPoolExecutor(method.connections) as pool:
        refused = sum(pool.map(lambda share: _send_batches(pocketbase.address, share), shares))
    return FillResult(time.perf_counter() - started, refused)


def _send_batches(address: str, batches: list[list[bytes]]) -> int:
    """Send one batch after the other over one connection; return the number of refused ones."""
    host_and_port, refused = address.removeprefix("http://"), 0
    with closing(HTTPConnection(host_and_port, timeout=BATCH_TIMEOUT_SECONDS)) as connection:
        for batch in batches:
            body = b'{"requests":[' + b",".join(batch) + b"]}"
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/batch", body, headers)
            answer = connection.getresponse()
            answer.read()
            refused += answer.status != httpx.codes.OK
    return refused


def find_best_method(
    pocketbase: ServedPocketbase, requests: list[bytes]
) -> tuple[FillMethod, dict[str, int]]:
    """Try every way on records of its own; return the fastest without refusals, and all rates.

    Raises:
        BenchError: every way had refused batches.
    """
    rate_by_method = {}
    for place, (batch, connections) in enumerate(product(BATCH_SIZES, CONNECTIONS)):
        trial_requests = requests[place * TRIAL_ROWS : (place + 1) * TRIAL_ROWS]
        result = fill_collection(pocketbase, trial_requests, FillMethod(batch, connections))
        if not result.refused_batches:
            rate_by_method[FillMethod(batch, connections)] = len(trial_requests) / result.seconds
    if not rate_by_method:
        raise BenchError("PocketBase refused batches in every way that was tried")
    rounded_rates = {
        f"{way.batch} x {way.connections}": round(rate) for way, rate in rate_by_method.items()
    }
    return max(rate_by_method, key=lambda way: rate_by_method[way]), rounded_rates


TRIAL_RECORD_COUNT = len(BATCH_SIZES) * len(CONNECTIONS) * TRIAL_ROWS
"""Number of records that `find_best_method` needs."""
