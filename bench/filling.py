"""Filling of every side with the same decisions, before anything is measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.crypto import Secrets
from bench import rows
from bench.cloning import PATTERN_COUNT, clone_decisions
from bench.databases import Database
from bench.machine import BenchError, CoreShare
from bench.peers import applications, pocketbase
from bench.registry import PreparedRegistry, build_embedded_database, prepare_registry
from bench.stores import open_postgresql_store, open_sqlite_store


@dataclass(frozen=True, slots=True)
class FillOrder:
    """The decisions for each side, and the cores for the filling."""

    day: date
    size: int
    share: CoreShare

    def build_records(self) -> Iterator[dict[str, Any]]:
        """Build the decisions as the peers store them."""
        for serial in range(self.size):
            yield pocketbase.build_record(rows.build_row(serial, self.day))


def fill_registry(home: Path, database: Database | None, order: FillOrder) -> PreparedRegistry:
    """Fill a new registry with `size` decisions; without a database the embedded one."""
    home.mkdir(mode=0o755)
    registry = prepare_registry(home, database or build_embedded_database(home))
    _record_first_decisions(registry, order)
    secrets = Secrets.read(home / "secret.key")
    if database is None:
        store = open_sqlite_store(home / "var" / "registry.sqlite3")
    else:
        store = open_postgresql_store(database.address)
    with store as opened_store:
        clone_decisions(opened_store, secrets, order.day, order.size)
    return registry


def _record_first_decisions(registry: PreparedRegistry, order: FillOrder) -> None:
    """Record the first decisions as a department does."""
    with registry.serve(order.share.server) as served, served.open_department_client() as client:
        for serial in range(PATTERN_COUNT):
            # Through JSON, because days are written as texts.
            body = orjson.dumps(rows.build_row(serial, order.day))
            answer = client.post(
                "/v1/entries", content=body, headers={"Content-Type": "application/json"}
            )
            if answer.status_code != httpx.codes.CREATED:
                raise BenchError(f"a decision was answered {answer.status_code}: {answer.text}")


def fill_pocketbase(home: Path, command: Path, order: FillOrder) -> None:
    """Fill a new PocketBase with `size` records."""
    with pocketbase.serve_new(home, command, order.share.server):
        pass
    pocketbase.insert_records(home, order.build_records())


def fill_tutorial(home: Path, database: Database, order: FillOrder) -> None:
    """Fill the database of the tutorial's app with `size` rows."""
    with applications.serve_tutorial(home, database, order.share.server):
        pass
    applications.insert_records(database, order.build_records())
