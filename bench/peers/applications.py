"""ASGI applications to compare with the registry, served by the same server with the same settings.

uvicorn as the registry starts it: one process, its own choice of loop and parser (uvloop and
httptools), no log of requests.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
import psycopg

from bench.databases import Database
from bench.machine import Cores, find_free_port, run_server
from bench.peers.pocketbase import DATES, TEXTS
from bench.stores import vacuum

SOURCE_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Application:
    """A running application."""

    address: str
    pid: int


@contextmanager
def _serve(
    home: Path, target: str, cores: Cores, environment: Mapping[str, str]
) -> Iterator[Application]:
    home.mkdir(mode=0o755, exist_ok=True)
    port = find_free_port()
    address = f"http://127.0.0.1:{port}"
    sources = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(SOURCE_ROOT))))
    with run_server(
        [
            *(sys.executable, "-m", "uvicorn", f"bench.peers.{target}"),
            *("--port", str(port), "--no-access-log", "--no-server-header"),
        ],
        home=home,
        environment={**os.environ, "PYTHONPATH": sources, **environment},
        cores=cores,
        readiness_url=f"{address}/health",
    ) as pid:
        yield Application(address, pid)


# --- floors --------------------------------------------------------------


@contextmanager
def serve_baseline(
    home: Path, application_name: str, check: bytes, subject: bytes, cores: Cores
) -> Iterator[Application]:
    """Serve `fastapi_app` or `asgi_app` (`bench/peers/baselines.py`) with given answers."""
    home.mkdir(mode=0o755)
    for name, answer in (("check", check), ("subject", subject)):
        (home / f"{name}.json").write_bytes(answer)
    with _serve(
        home, f"baselines:{application_name}", cores, {"BENCH_ANSWERS": str(home)}
    ) as application:
        yield application


# --- the tutorial's app --------------------------------------------------


@contextmanager
def serve_tutorial(home: Path, database: Database, cores: Cores) -> Iterator[Application]:
    """Serve the tutorial's app on its own database; it creates its table at the start."""
    address = urlunsplit(urlsplit(database.address)._replace(scheme="postgresql+asyncpg"))
    with _serve(home, "tutorial_app:app", cores, {"DATABASE_URL": address}) as application:
        yield application


def insert_records(database: Database, records: Iterable[dict[str, Any]]) -> None:
    """Fill the table of the tutorial's app."""
    names = (*TEXTS, *DATES, "responsible_persons")
    with psycopg.connect(database.address) as connection:
        statement = f"COPY entries ({', '.join(names)}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for facts in records:
                persons = orjson.dumps(facts["responsible_persons"]).decode()
                copy.write_row([*(facts[name] for name in (*TEXTS, *DATES)), persons])
        connection.commit()
        vacuum(connection)
