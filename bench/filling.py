"""Every side with the same decisions in it, whole cities of them, before anything is measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.crypto import Secrets
from bench import rows
from bench.cloning import PATTERNS, clone
from bench.databases import Database
from bench.machine import BenchError, Share
from bench.peers import applications, pocketbase
from bench.registry import Founded, embedded, found
from bench.stores import postgresql_store, sqlite_store


@dataclass(frozen=True, slots=True)
class Filling:
    """With what each side is filled, and on which cores it runs meanwhile."""

    on: date
    size: int
    share: Share

    def records(self) -> Iterator[dict[str, Any]]:
        """The decisions as the peers keep them."""
        for serial in range(self.size):
            yield pocketbase.record(rows.row(serial, self.on))


def fill_registry(home: Path, database: Database | None, filling: Filling) -> Founded:
    """A new registry with so many decisions; without a database the embedded one."""
    home.mkdir(mode=0o755)
    registry = found(home, database or embedded(home))
    _record(registry, filling)
    secrets = Secrets.read(home / "secret.key")
    if database is None:
        store = sqlite_store(home / "var" / "registry.sqlite3")
    else:
        store = postgresql_store(database.address)
    with store as opened:
        clone(opened, secrets, filling.on, filling.size)
    return registry


def _record(registry: Founded, filling: Filling) -> None:
    """Record the first decisions as a department does."""
    with registry.serving(filling.share.server) as served, served.department() as client:
        for serial in range(PATTERNS):
            # Through JSON, for days are written as texts.
            body = orjson.dumps(rows.row(serial, filling.on))
            answer = client.post(
                "/v1/entries", content=body, headers={"Content-Type": "application/json"}
            )
            if answer.status_code != httpx.codes.CREATED:
                raise BenchError(f"a decision was answered {answer.status_code}: {answer.text}")


def fill_pocketbase(home: Path, command: Path, filling: Filling) -> None:
    """A new PocketBase with so many records."""
    with pocketbase.serving(home, command, filling.share.server):
        pass
    pocketbase.put(home, filling.records())


def fill_tutorial(home: Path, database: Database, filling: Filling) -> None:
    """The database of the tutorial's app with so many rows."""
    with applications.tutorial(home, database, filling.share.server):
        pass
    applications.put(database, filling.records())
