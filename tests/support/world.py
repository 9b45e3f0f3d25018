"""A registry to test: its own database, a clock that does not move, a served app."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Engine, text

from app.calendar.queries import read_current_calendar
from app.catalogue.queries import read_current_catalogue
from app.catalogue.service import initialize_registry
from app.checks.pipeline import CheckService
from app.clock import SHANGHAI, Clock
from app.crypto import Secrets
from app.db import migrations
from app.db.engines import Database, DatabaseError
from app.db.tables.base import Base
from app.http.connections import ConnectionLimits, GuardedProtocol
from app.main import attach_registry, build_served_app, create_app
from app.registry import Registry
from app.rules.calendar import Calendar
from app.rules.law import Catalogue
from app.rules.permissions import Role
from app.security.service import create
from app.settings import Settings, Tuning
from tests.support.request_bodies import build_push

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
"""Ten in the morning in Zaozhuang, a Sunday; the 2026 notice is loaded, that of 2027 is not."""


IDLE_SECONDS = 5.0
ANY_GAP_DAYS = 36_500
"""Tests start registries on days far apart; tests of the clock set the usual gap."""
MAX_LOANS = 100
"""Tests on one database: rows that were deleted stay in the files of PostgreSQL for a while."""


class ManualClock(Clock):
    """A clock that the test sets; every reading moves it by a millisecond.

    Setting `instant` or the day lets time pass: the boot-time clock and the clock of the server
    move too. `step` sets the wall clock alone, as a person or a broken time service does.
    `server_error` is how far the clock of the database server is ahead of the true time.
    """

    def __init__(self, now: datetime = NOW) -> None:
        self.instant = now
        self.error = timedelta(0)
        self.server_error = timedelta(0)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self.instant += timedelta(milliseconds=1)
            return self.instant

    def step(self, distance: timedelta) -> None:
        """Set the wall clock forward, or back, while no time passes."""
        self.instant += distance
        self.error += distance

    def compute_wall_offset(self) -> float:
        return self.error.total_seconds()

    def read_server_time(self, read: Callable[[], datetime]) -> datetime:
        read()  # the statement must work, whatever the server's clock shows
        return self.instant - self.error + self.server_error

    def set_day(self, day: date) -> None:
        """Set the clock to ten in the morning of a day, in Shanghai."""
        self.instant = datetime(day.year, day.month, day.day, 10, tzinfo=SHANGHAI).astimezone(UTC)


@dataclass
class World:
    """One served registry; `api` returns a client for a role."""

    registry: Registry
    clock: ManualClock
    address: str
    check_service: CheckService
    _clients: dict[tuple[Role, str | None], httpx.Client] = field(default_factory=dict)
    _open_clients: list[httpx.Client] = field(default_factory=list)

    def api(self, role: str = "department", department: str | None = None) -> httpx.Client:
        """Return a client with a key of that role; departments and approvers have a default one."""
        role_value = Role(role)
        usual_departments = {Role.department: "human_resources", Role.approver: "finance_bureau"}
        key_department = department or usual_departments.get(role_value)
        if (role_value, key_department) not in self._clients:
            key = create(
                self.registry,
                name=f"{role} {key_department}",
                role=role_value,
                department=key_department,
            )
            self._clients[role_value, key_department] = self.client(key)
        return self._clients[role_value, key_department]

    def client(self, key: str | None) -> httpx.Client:
        """Open a client with a given key, or none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        client = httpx.Client(
            base_url=self.address, headers=headers, timeout=60, trust_env=False, verify=False
        )
        self._open_clients.append(client)
        return client

    def record(self, api: httpx.Client | None = None, **facts: Any) -> dict[str, Any]:
        """Push an entry that must be accepted; return its view."""
        answer = (api or self.api()).post("/v1/entries", json=build_push(**facts))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def close(self) -> None:
        """Close the clients, the work under way and the registry."""
        self.release()
        self.registry.close()

    def release(self) -> None:
        """Close the clients and the work under way; the database stays open for the next test."""
        for client in self._open_clients:
            client.close()
        self.check_service.close()


@contextmanager
def serve_app(app: FastAPI, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """Serve an app on a free port of the loopback; yield its address."""
    is_redblack_app = hasattr(app.state, "metrics")
    config = uvicorn.Config(
        build_served_app(app, Settings(_env_file=None)) if is_redblack_app else app,
        host="127.0.0.1",
        port=0,
        lifespan="off",
        http=type("Protocol", (GuardedProtocol,), {"limits": limits or ConnectionLimits()}),
        ws="none",
        proxy_headers=False,
        log_level="error",
        access_log=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


class RegistryTemplates:
    """Empty registries, made once by the migrations and copied for tests.

    A test that only needs a registry borrows one (`lend`): its database is emptied for the next
    test instead of being created again, because engines, compiled statements and connections cost
    more than most tests. A test that starts processes or damages files takes its own copy
    (`settings`).
    """

    def __init__(self, home: Path, postgres: str | None) -> None:
        self._home = home
        self._postgres = postgres
        self._copy_count = 0
        self._key = home / "secret.key"
        Secrets.make(self._key)
        self._ready_backends: dict[str, Pristine] = {}
        self._idle: dict[str, Lent] = {}

    def create_copy(self, backend: str) -> Settings:
        """Create a new copy; return its settings."""
        self._prepare(backend)
        self._copy_count += 1
        if backend == "sqlite":
            directory = self._home / f"sqlite-{self._copy_count}"
            shutil.copytree(self._home / "sqlite", directory)
            return self._build_settings(directory)
        name = f"registry_{self._copy_count}"
        self._create_database(name, "registry_template")
        return self._build_settings(self._home, self._build_address(name))

    def drop_copy(self, settings: Settings) -> None:
        """Remove a copy."""
        if settings.embedded:
            shutil.rmtree(settings.data_dir, ignore_errors=True)
            return
        with psycopg.connect(self._build_address("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{settings.url.database}" WITH (FORCE)')

    @contextmanager
    def lend(self, backend: str, app: FastAPI, address: str) -> Iterator[World]:
        """Lend an empty registry behind a served app for as long as the block runs."""
        lent = self._idle.pop(backend, None)
        if lent is None:
            settings = self.create_copy(backend)
            lent = Lent(settings, Database(settings))
        pristine = self._ready_backends[backend]
        clock = ManualClock()
        secrets = Secrets.read(self._key)
        registry = Registry(lent.settings.model_copy(), secrets, lent.database, clock)
        registry.catalogues.update(pristine.catalogues)
        registry.calendars.update(pristine.calendars)
        attach_registry(app, registry)
        assert registry.verify() is None
        world = World(registry, clock, address, app.state.check_service)
        yield world
        world.release()
        if (
            app.state.check_service is not world.check_service
        ):  # the test put another registry behind the app
            app.state.check_service.close()
        if lent.restore(pristine):
            self._idle[backend] = lent
        else:
            lent.database.close()
            self.drop_copy(lent.settings)

    def close(self) -> None:
        """Close the databases that are no longer lent."""
        for lent in self._idle.values():
            lent.database.close()

    def _prepare(self, backend: str) -> None:
        if backend in self._ready_backends:
            return
        if backend == "sqlite":
            settings = self._build_settings(self._home / "sqlite")
        else:
            self._create_database("registry_template", "template1")
            settings = self._build_settings(self._home, self._build_address("registry_template"))
        # The law was loaded before the first day of a test, whatever the day of the machine is.
        registry = Registry.open(settings, ManualClock(NOW - timedelta(days=1)))
        migrations.upgrade(settings)
        initialize_registry(registry)
        with registry.database.reading() as connection:
            read_current_catalogue(registry, connection)
            read_current_calendar(registry, connection)
        rows = {} if settings.embedded else _copy_out(registry.database)
        registry.close()
        self._ready_backends[backend] = Pristine(
            self._home / "sqlite", rows, registry.catalogues, registry.calendars
        )

    def _build_settings(self, directory: Path, url: str = "") -> Settings:
        return Settings(
            _env_file=None,
            data_dir=directory,
            database_url=url,
            secret_key_file=self._key,
            clock_gap_days=ANY_GAP_DAYS,
            tuning=Tuning(_env_file=None, read_pool=8, write_slots=4, key_cache_seconds=0.2),
        )

    def _create_database(self, name: str, template: str) -> None:
        with psycopg.connect(self._build_address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def _build_address(self, database: str) -> str:
        assert self._postgres is not None
        return self._postgres.replace("/postgres?", f"/{database}?")


@dataclass(frozen=True)
class Pristine:
    """A registry as the migrations leave it: its files (SQLite), or its rows by table."""

    directory: Path
    rows: dict[str, bytes]
    catalogues: dict[int, Catalogue]
    calendars: dict[int, Calendar]


@dataclass
class Lent:
    """A database that tests borrow one after the other."""

    settings: Settings
    database: Database
    borrowed: int = 0

    def restore(self, pristine: Pristine) -> bool:
        """Restore the database to its pristine state; return False if a new one is needed."""
        self.borrowed += 1
        if self.borrowed == MAX_LOANS:
            return False
        try:
            self._wait_until_idle()
            self.database.highest = (0, 0)
            if self.settings.embedded:
                self._restore_files(pristine.directory)
            else:
                self._restore_rows(pristine.rows)
        except (OSError, DatabaseError):
            return False
        return True

    def _engines(self) -> tuple[Engine, ...]:
        database = self.database
        return (
            database._reads,
            database._answers,
            database._writes,
            database._ledger,
            database._ledger_reads,
        )

    def _wait_until_idle(self) -> None:
        # A client that closed its connection does not end the thread that works for it.
        give_up = time.monotonic() + IDLE_SECONDS
        while any(engine.pool.checkedout() for engine in self._engines()):  # type: ignore[attr-defined]
            if time.monotonic() > give_up:
                return
            time.sleep(0.005)

    def _restore_files(self, pristine: Path) -> None:
        for gate in self.database._gates:
            os.fstat(gate._file)  # fails if a test closed the database
            gate.forget_highest()
        for engine in self._engines():
            engine.dispose()
        home = Path(self.settings.data_dir)
        for file in home.iterdir():
            if file.is_dir():
                shutil.rmtree(file)
            elif file.suffix != ".lock":
                file.unlink()
        for file in pristine.iterdir():
            if file.suffix != ".lock":
                shutil.copyfile(file, home / file.name)
        for files in self.database.files:
            files.forget()

    def _restore_rows(self, rows: dict[str, bytes]) -> None:
        with self.database.writing() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            tables = Base.metadata.sorted_tables
            connection.execute(text(";".join(f"DELETE FROM {table}" for table in reversed(tables))))
            driver = connection.connection.driver_connection
            assert driver is not None
            for table in tables:
                if str(table) in rows:
                    with driver.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                        copy.write(rows[str(table)])


def _copy_out(database: Database) -> dict[str, bytes]:
    found = {}
    with database.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        for table in Base.metadata.sorted_tables:
            with driver.cursor().copy(f"COPY {table} TO STDOUT") as copy:
                if data := b"".join(copy):
                    found[str(table)] = data
    return found


def open_world(settings: Settings, app: FastAPI, address: str) -> World:
    """Open a registry behind a served app."""
    clock = ManualClock()
    registry = Registry.open(settings, clock)
    attach_registry(app, registry)
    assert registry.verify() is None
    return World(registry, clock, address, app.state.check_service)


def with_tuning(settings: Settings, **values: Any) -> Settings:
    """Return settings with other tuning."""
    return settings.model_copy(update={"tuning": settings.tuning.model_copy(update=values)})


def change_tuning(settings: Settings, **values: Any) -> None:
    """Change the tuning of settings in use."""
    settings.tuning = settings.tuning.model_copy(update=values)


def create_unbound_app() -> FastAPI:
    """Create the app without a database."""
    return create_app(Settings(_env_file=None))
