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

from bench.databases import Database, run_cluster
from bench.machine import (
    BenchError,
    Cores,
    CoreShare,
    compute_folder_size,
    find_command,
    find_free_port,
    run_command,
    run_server,
)
from bench.rows import LIST_TYPE

POLL_SECONDS = 0.2
MAX_WAIT_SECONDS = 3600
FINISHED_STATES = frozenset({"done", "stopped", "refused", "lapsed", "reversed", "held"})


@dataclass(frozen=True, slots=True)
class ServedRegistry:
    """A running registry, with keys of a department, an approval officer and an auditor."""

    address: str
    pid: int
    department_key: str
    approver_key: str
    auditor_key: str
    measure_size: Callable[[], int]

    def open_department_client(self) -> httpx.Client:
        """Open a client of the department."""
        headers = {"Authorization": f"Bearer {self.department_key}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=600, trust_env=False)


# --- databases -----------------------------------------------------------


@contextmanager
def provide_sqlite(home: Path, _share: CoreShare) -> Iterator[Database]:
    """Provide the embedded database, in the process of the registry itself."""
    yield build_embedded_database(home)


@contextmanager
def provide_postgresql(home: Path, share: CoreShare) -> Iterator[Database]:
    """Provide a separate PostgreSQL with its settings as shipped, on the cores of the others."""
    with run_cluster(home, share) as server:
        yield server.default_database


def build_embedded_database(home: Path) -> Database:
    """Return the embedded database below a home directory."""
    return Database("", partial(compute_folder_size, home / "var"))


DATABASE_PROVIDERS = {"sqlite": provide_sqlite, "postgresql": provide_postgresql}


# --- serving -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreparedRegistry:
    """A registry that is set up but not served yet, with a key for each kind of work."""

    home: Path
    environment: dict[str, str]
    department_key: str
    approver_key: str
    auditor_key: str
    measure_size: Callable[[], int]

    @contextmanager
    def serve(self, cores: Cores, workers: int = 1) -> Iterator[ServedRegistry]:
        """Serve it with its default settings until the block ends."""
        port = find_free_port()
        address = f"http://127.0.0.1:{port}"
        with run_server(
            [find_command("redblack"), "serve", "--port", str(port), "--workers", str(workers)],
            home=self.home,
            environment=self.environment,
            cores=cores,
            readiness_url=f"{address}/readyz",
        ) as pid:
            yield ServedRegistry(
                address,
                pid,
                self.department_key,
                self.approver_key,
                self.auditor_key,
                self.measure_size,
            )


def prepare_registry(home: Path, database: Database) -> PreparedRegistry:
    """Set up a new, empty registry with the commands that an operator uses."""
    environment = _build_environment(home, database)
    redblack = find_command("redblack")
    run_command(
        [redblack, "keys", "secret", home / "secret.key"], home=home, environment=environment
    )
    run_command([redblack, "db", "upgrade"], home=home, environment=environment)
    return PreparedRegistry(
        home,
        environment,
        _create_key(home, environment, "department", "human_resources"),
        _create_key(home, environment, "approver", "finance_bureau"),
        _create_key(home, environment, "auditor"),
        database.measure_size,
    )


@contextmanager
def serve_new_registry(home: Path, database: str, share: CoreShare) -> Iterator[ServedRegistry]:
    """Serve a new, empty registry with its default settings until the block ends."""
    home.mkdir(mode=0o755)
    with (
        DATABASE_PROVIDERS[database](home, share) as opened_database,
        prepare_registry(home, opened_database).serve(share.server) as registry,
    ):
        yield registry


def _build_environment(home: Path, database: Database) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if "REDBLACK" not in name}
    inherited.pop("PROMETHEUS_MULTIPROC_DIR", None)
    return inherited | {
        "REDBLACK_DATA_DIR": str(home / "var"),
        "REDBLACK_DATABASE_URL": database.address,
        "REDBLACK_SECRET_KEY_FILE": str(home / "secret.key"),
        "TMPDIR": str(home),
    }


def _create_key(home: Path, environment: Mapping[str, str], role: str, department: str = "") -> str:
    arguments = ["keys", "create", "--name", "bench", "--role", role]
    arguments += ["--department", department] if department else []
    return run_command([find_command("redblack"), *arguments], home=home, environment=environment)


# --- sending -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SentFile:
    """The result of a file that was sent."""

    rows: int
    seconds: float
    """By the registry: from `received_at` to `finished_at`."""
    wall_seconds: float
    """By the client: from the first byte sent to the final state."""
    refused_rows: int
    """Rows that were not accepted."""


def send_file(registry: ServedRegistry, file: Path, rows: int) -> SentFile:
    """Send an NDJSON file as one submission and wait for its end.

    Raises:
        BenchError: it was not accepted, or did not end in time.
    """
    with registry.open_department_client() as client, file.open("rb") as body:
        started = time.perf_counter()
        answer = client.post(
            "/v1/submissions",
            params={"list_type": LIST_TYPE},
            content=body,
            headers={"Content-Type": "application/x-ndjson"},
        )
        if answer.status_code not in {httpx.codes.OK, httpx.codes.ACCEPTED}:
            raise BenchError(f"a submission was answered {answer.status_code}: {answer.text[:500]}")
        view = _wait_until_finished(client, answer.json())
        wall_seconds = time.perf_counter() - started
    duration = datetime.fromisoformat(view["finished_at"]) - datetime.fromisoformat(
        view["received_at"]
    )
    accepted = int(view["progress"]["accepted"])
    return SentFile(rows, duration.total_seconds(), wall_seconds, rows - accepted)


def _wait_until_finished(client: httpx.Client, view: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while view["state"] not in FINISHED_STATES:
        if time.monotonic() > deadline:
            raise BenchError(f"a submission is still {view['state']}")
        time.sleep(POLL_SECONDS)
        answer = client.get(f"/v1/submissions/{view['id']}")
        answer.raise_for_status()
        view = answer.json()
    if view["state"] != "done":
        raise BenchError(f"a submission ended {view['state']}: {view['problem']}")
    return view
