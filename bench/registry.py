"""The registry as it is served: real `redblack` processes on a database of their own."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from bench.databases import Database, cluster
from bench.machine import (
    BenchError,
    Cores,
    Share,
    command,
    free_port,
    run,
    served,
    size_of,
)
from bench.rows import LIST_TYPE

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 3600
FINISHED = frozenset({"done", "stopped", "refused", "lapsed", "reversed", "held"})


@dataclass(frozen=True, slots=True)
class Served:
    """A registry that runs, with keys of who sends, who asks, and who oversees."""

    address: str
    pid: int
    department_key: str
    approver_key: str
    auditor_key: str
    size: Callable[[], int]

    def department(self) -> httpx.Client:
        """A client of the department that sends."""
        headers = {"Authorization": f"Bearer {self.department_key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=600, trust_env=False)


# --- databases -----------------------------------------------------------


@contextmanager
def sqlite(home: Path, _share: Share) -> Iterator[Database]:
    """The embedded database, in the process of the registry itself."""
    yield embedded(home)


@contextmanager
def postgresql(home: Path, share: Share) -> Iterator[Database]:
    """A PostgreSQL of its own with its settings as shipped, on the cores not the registry's."""
    with cluster(home, share) as server:
        yield server.first


def embedded(home: Path) -> Database:
    """The embedded database below a home."""
    return Database("", partial(size_of, home / "var"))


DATABASES = {"sqlite": sqlite, "postgresql": postgresql}


# --- serving -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Founded:
    """A registry that is set up and not served yet, with a key for each thing that is measured."""

    home: Path
    environment: dict[str, str]
    department_key: str
    approver_key: str
    auditor_key: str
    size: Callable[[], int]

    @contextmanager
    def serving(self, cores: Cores, workers: int = 1) -> Iterator[Served]:
        """Serve it with its default settings until the block ends."""
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        with served(
            [command("redblack"), "serve", "--port", str(port), "--workers", str(workers)],
            home=self.home,
            environment=self.environment,
            cores=cores,
            ready=f"{address}/readyz",
        ) as pid:
            yield Served(
                address, pid, self.department_key, self.approver_key, self.auditor_key, self.size
            )


def found(home: Path, kept: Database) -> Founded:
    """Set up a new, empty registry with the commands that an operator uses."""
    environment = _environment(home, kept)
    redblack = command("redblack")
    run([redblack, "keys", "secret", home / "secret.key"], home=home, environment=environment)
    run([redblack, "db", "upgrade"], home=home, environment=environment)
    return Founded(
        home,
        environment,
        _key(home, environment, "department", "human_resources"),
        _key(home, environment, "approver", "finance_bureau"),
        _key(home, environment, "auditor"),
        kept.size,
    )


@contextmanager
def serving(home: Path, database: str, share: Share) -> Iterator[Served]:
    """Serve a new, empty registry with its default settings until the block ends."""
    home.mkdir(mode=0o755)
    with (
        DATABASES[database](home, share) as kept,
        found(home, kept).serving(share.server) as registry,
    ):
        yield registry


def _environment(home: Path, database: Database) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if "REDBLACK" not in name}
    ours.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return ours | {
        "REDBLACK_DATA_DIR": str(home / "var"),
        "REDBLACK_DATABASE_URL": database.address,
        "REDBLACK_SECRET_KEY_FILE": str(home / "secret.key"),
        "TMPDIR": str(home),
    }


def _key(home: Path, environment: Mapping[str, str], role: str, department: str = "") -> str:
    asked = ["keys", "create", "--name", "bench", "--role", role]
    asked += ["--department", department] if department else []
    return run([command("redblack"), *asked], home=home, environment=environment)


# --- sending -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file that was sent."""

    rows: int
    seconds: float
    """As the registry tells it: from `received_at` to `finished_at`."""
    wall_seconds: float
    """As the client sees it: from the first byte sent until the end was read."""
    errors: int
    """Rows that were not accepted."""


def send(registry: Served, file: Path, rows: int) -> Sent:
    """Send an NDJSON file as one submission and wait for its end.

    Raises:
        BenchError: it was not taken, or did not end in time.
    """
    with registry.department() as client, file.open("rb") as body:
        began = time.perf_counter()
        answer = client.post(
            "/v1/submissions",
            params={"list_type": LIST_TYPE},
            content=body,
            headers={"Content-Type": "application/x-ndjson"},
        )
        if answer.status_code not in {httpx.codes.OK, httpx.codes.ACCEPTED}:
            raise BenchError(f"a submission was answered {answer.status_code}: {answer.text[:500]}")
        view = _end_of(client, answer.json())
        wall = time.perf_counter() - began
    took = datetime.fromisoformat(view["finished_at"]) - datetime.fromisoformat(view["received_at"])
    accepted = int(view["progress"]["accepted"])
    return Sent(rows, took.total_seconds(), wall, rows - accepted)


def _end_of(client: httpx.Client, view: dict[str, Any]) -> dict[str, Any]:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while view["state"] not in FINISHED:
        if time.monotonic() > give_up:
            raise BenchError(f"a submission is still {view['state']}")
        time.sleep(POLL_SECONDS)
        answer = client.get(f"/v1/submissions/{view['id']}")
        answer.raise_for_status()
        view = answer.json()
    if view["state"] != "done":
        raise BenchError(f"a submission ended {view['state']}: {view['problem']}")
    return view
