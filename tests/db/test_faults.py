"""Real faults of the database under a server: not ready, 503 for requests, nothing lost."""

import fcntl
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.crypto import Secrets
from app.demo.synthetic import build_uscc
from app.registry import Registry
from app.settings import Settings
from tests.conftest import DATABASES
from tests.support.concurrent_clients import ConcurrentClients, require_consistent_registry
from tests.support.processes import (
    ServerProcess,
    build_environment,
    build_push_today,
    create_key,
    run_redblack,
    serve_registry,
)
from tests.support.request_bodies import build_check, build_question
from tests.support.world import RegistryTemplates

WAIT_SECONDS = 30.0
QUICK = {
    "REDBLACK_INSPECTION_SECONDS": "0.2",
    "REDBLACK_LOCK_WAIT_SECONDS": "1",
    "REDBLACK_SUBMISSION_WORKERS": "0",
}

needs_sqlite = pytest.mark.skipif("sqlite" not in DATABASES, reason="SQLite is not to be tested")


class Served:
    """A served copy of a registry with the requests that the tests repeat."""

    def __init__(self, settings: Settings, process: ServerProcess, keys: dict[str, str]) -> None:
        self.settings = settings
        self.process = process
        self.department = process.client(keys["department"])
        self.approver = process.client(keys["approver"])
        self.pushed: list[dict[str, Any]] = []
        self.check_ids: list[str] = []
        self._serial = 0

    def push(self) -> httpx.Response:
        """Push a new entry; keep it if it was acknowledged."""
        self._serial += 1
        body = build_push_today(build_uscc(self._serial), f"FAULT-{self._serial}")
        answer = self.department.post("/v1/entries", json=body)
        if answer.status_code == httpx.codes.CREATED:
            self.pushed.append(answer.json())
        return answer

    def check(self) -> httpx.Response:
        """Check a subject; keep the check if it was answered."""
        body = build_check(build_question(build_uscc(1), None))
        answer = self.approver.post("/v1/checks", json=body)
        if answer.status_code == httpx.codes.OK:
            self.check_ids.append(answer.json()["check_id"])
        return answer

    def read_readiness(self) -> httpx.Response:
        """Request `/readyz`."""
        return self.approver.get("/readyz")

    def wait_for_readiness(self, status: int) -> httpx.Response:
        """Wait until `/readyz` has a status."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (answer := self.read_readiness()).status_code != status:
            assert time.monotonic() < deadline, f"{answer.status_code}: {answer.text}"
            time.sleep(0.05)
        return answer

    def require_refused(self, *requests: Callable[[], httpx.Response]) -> None:
        """Require 503 with a code and a time to come back, from each request."""
        for request in requests:
            answer = request()
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
            assert answer.json()["code"] in {"not_ready", "unavailable", "busy"}, answer.text
            assert int(answer.headers["Retry-After"]) >= 1
            assert "none" not in answer.text

    def require_nothing_lost(self) -> None:
        """Require that everything acknowledged is in the files, and nothing is half there."""
        with closing(Registry.open(self.settings)) as registry:
            assert registry.verify() is None
            clients = ConcurrentClients("", "", "")
            clients.recorded.extend(self.pushed)
            clients.check_ids.extend(self.check_ids)
            require_consistent_registry(registry, clients)


@contextmanager
def serve_copy(
    backend: str, templates: RegistryTemplates, home: Path, settings: Settings | None = None
) -> Iterator[Served]:
    """Serve a copy of an empty registry with two keys, and two acknowledged requests."""
    copy = settings or templates.create_copy(backend)
    keys = {
        "department": create_key(copy, "department", "human_resources"),
        "approver": create_key(copy, "approver", "finance_bureau"),
    }
    with serve_registry(copy, home, **QUICK) as process:
        served = Served(copy, process, keys)
        with served.department, served.approver:
            assert served.push().status_code == httpx.codes.CREATED
            assert served.check().status_code == httpx.codes.OK
            yield served


def database_file(settings: Settings, suffix: str = "") -> Path:
    return Path(f"{settings.url.database}{suffix}")


@needs_sqlite
class TestRemovedFiles:
    """Files of the embedded database that are removed under the server."""

    @pytest.mark.parametrize("suffix", ["-wal", "-shm"])
    @pytest.mark.parametrize("ledger", [False, True])
    def test_not_ready_and_everything_acknowledged_survives_a_kill(
        self, templates: RegistryTemplates, tmp_path: Path, suffix: str, *, ledger: bool
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            for _ in range(5):
                served.push()
                served.check()
            main = served.settings.ledger_path if ledger else database_file(served.settings)
            removed = Path(f"{main}{suffix}")
            assert removed.exists()
            removed.unlink()
            served.require_refused(served.read_readiness, served.push, served.check)
            answer = served.department.get("/v1/entries")
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert "removed" in answer.json()["detail"]
            assert not removed.exists()  # no new one beside the old one
            time.sleep(1.0)  # the background saves what the removed file holds
            served.process.kill()
        served.require_nothing_lost()
        with serve_registry(served.settings, tmp_path, **QUICK) as again, again.client() as client:
            assert client.get("/readyz").status_code == httpx.codes.OK

    def test_a_removed_log_is_saved_without_any_request(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            database_file(served.settings, "-wal").unlink()
            Path(f"{served.settings.ledger_path}-wal").unlink()
            time.sleep(1.5)
            served.process.kill()
        served.require_nothing_lost()

    def test_a_change_under_way_is_not_acknowledged(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            with closing(sqlite3.connect(database_file(served.settings))) as other:
                other.execute("SELECT 1 FROM entries").fetchone()
                database_file(served.settings, "-wal").unlink()
            served.require_refused(served.push)
            served.process.kill()
        served.require_nothing_lost()


@needs_sqlite
class TestDamage:
    """Pages of the embedded database that are overwritten or cut off under the server."""

    @pytest.mark.parametrize("damage", ["garbage", "truncated", "no database"])
    @pytest.mark.parametrize("ledger", [False, True])
    def test_a_malformed_file_is_not_ready_and_never_500(
        self, templates: RegistryTemplates, tmp_path: Path, damage: str, *, ledger: bool
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            main = served.settings.ledger_path if ledger else database_file(served.settings)
            with closing(sqlite3.connect(main)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                [size] = other.execute("PRAGMA page_size").fetchone()
            pages = main.stat().st_size // size
            with main.open("r+b") as file:
                if damage == "truncated":
                    file.truncate(size * (pages // 2))
                else:
                    first = 0 if damage == "no database" else 1
                    file.seek(first * size)
                    file.write(b"\xff" * size * (pages - first))
            statuses = {
                request().status_code
                for request in (
                    served.push,
                    served.check,
                    lambda: served.department.get("/v1/entries"),
                    lambda: served.department.get("/v1/list-types"),
                    lambda: served.approver.post(
                        "/v1/subjects/lookup",
                        json={"scheme": "uscc", "number": build_uscc(1), "purpose": "受理前查询"},
                    ),
                )
            }
            assert statuses <= {200, 201, 503}  # what is in memory is still right
            answer = served.wait_for_readiness(503)
            assert answer.json()["code"] == "not_ready"
            served.require_refused(served.push, served.check)
            served.process.kill()


@needs_sqlite
class TestFullDisk:
    """A disk without room, and a file that may not grow."""

    def test_below_the_reserve_it_is_not_ready(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            pass
        free = shutil.disk_usage(served.settings.data_dir).free
        environment = {**QUICK, "REDBLACK_MIN_FREE_BYTES": str(free * 2)}
        with (
            pytest.raises(AssertionError, match="no room"),
            serve_registry(served.settings, tmp_path, **environment),
        ):
            pass

    def test_a_full_disk_is_503_and_ready_again_with_room(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        home = tmp_path / "small"
        home.mkdir()
        with mount_small_disk(home, 24) as disk:
            copy = templates.create_copy("sqlite")
            shutil.copytree(copy.data_dir, disk / "data")
            changed = {"data_dir": disk / "data", "min_free_bytes": 0}
            settings = copy.model_copy(update=changed)
            QUICK["REDBLACK_MIN_FREE_BYTES"] = "0"
            try:
                with serve_copy("sqlite", templates, tmp_path, settings) as served:
                    filler = disk / "filler"
                    fill(filler)
                    deadline = time.monotonic() + WAIT_SECONDS
                    while (answer := served.push()).status_code == httpx.codes.CREATED:
                        assert time.monotonic() < deadline
                    served.require_refused(served.push)
                    answer = served.wait_for_readiness(503)
                    assert "room" in answer.json()["detail"]
                    served.require_refused(served.push, served.check)
                    filler.unlink()
                    served.wait_for_readiness(200)
                    assert served.push().status_code == httpx.codes.CREATED
                    assert served.check().status_code == httpx.codes.OK
                    served.process.kill()
                served.require_nothing_lost()
            finally:
                del QUICK["REDBLACK_MIN_FREE_BYTES"]

    def test_files_that_may_not_grow_are_503(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            pid = served.process.process.pid
            log = database_file(served.settings, "-wal")
            unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 4096, unlimited[1]))
            deadline = time.monotonic() + WAIT_SECONDS
            while (answer := served.push()).status_code == httpx.codes.CREATED:
                assert time.monotonic() < deadline
            assert (answer.status_code, answer.json()["code"]) in {
                (503, "unavailable"),
                (503, "not_ready"),
            }
            served.wait_for_readiness(503)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
            served.wait_for_readiness(200)
            assert served.push().status_code == httpx.codes.CREATED
            served.process.kill()
        served.require_nothing_lost()


@contextmanager
def mount_small_disk(home: Path, mebibytes: int) -> Iterator[Path]:
    """Mount a small file system in memory; skip where this process may not."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield home
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 4096):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


class TestHeldLocks:
    """A lock that somebody else holds."""

    def test_a_held_write_lock_is_not_ready_until_it_is_released(
        self, backend: str, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy(backend, templates, tmp_path) as served:
            with hold_lock(served.settings):
                answer = served.wait_for_readiness(503)
                assert "lock" in answer.json()["detail"]
                started = time.monotonic()
                served.require_refused(served.push, served.check)
                assert time.monotonic() - started < 10
            served.wait_for_readiness(200)
            assert served.push().status_code == httpx.codes.CREATED
            served.process.kill()
        served.require_nothing_lost()
        templates.drop_copy(served.settings)

    @needs_sqlite
    @pytest.mark.parametrize("ledger", [False, True])
    def test_a_held_file_lock_between_processes_is_not_ready(
        self, templates: RegistryTemplates, tmp_path: Path, *, ledger: bool
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            main = served.settings.ledger_path if ledger else database_file(served.settings)
            with main.with_name(f"{main.name}.lock").open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                started = time.monotonic()
                served.require_refused(served.check if ledger else served.push)
                assert time.monotonic() - started < 10  # an end to the wait
                served.wait_for_readiness(503)
            served.wait_for_readiness(200)
            assert served.push().status_code == httpx.codes.CREATED
            assert served.check().status_code == httpx.codes.OK


@contextmanager
def hold_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock that every change takes, as a forgotten shell does."""
    if settings.embedded:
        with closing(sqlite3.connect(database_file(settings), isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            yield
            shell.execute("ROLLBACK")
        return
    with psycopg.connect(settings.database_url) as shell:
        shell.execute("SELECT id FROM registry_state FOR UPDATE")
        yield


class TestCounter:
    """Change numbers that go back, because changes were lost or an old state came back."""

    def test_a_counter_that_goes_back_is_not_ready_until_a_new_epoch(
        self, backend: str, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy(backend, templates, tmp_path) as served:
            served.wait_for_readiness(200)
            time.sleep(0.5)
            statement = "UPDATE registry_state SET seq = seq - 1"
            change_database(served.settings, statement)
            answer = served.wait_for_readiness(503)
            assert "new-epoch" in answer.json()["detail"]
            served.require_refused(served.push, served.check)
            environment = build_environment(served.settings)
            done = run_redblack("db", "new-epoch", cwd=tmp_path, **environment)
            assert (done.returncode, done.stdout) == (0, "epoch 2\n"), done.stderr
            served.wait_for_readiness(200)
            assert served.check().status_code == httpx.codes.OK
        templates.drop_copy(served.settings)

    @needs_sqlite
    def test_a_log_that_was_removed_after_a_kill_is_noticed_at_the_start(
        self, templates: RegistryTemplates, tmp_path: Path
    ) -> None:
        with serve_copy("sqlite", templates, tmp_path) as served:
            served.process.kill()
        database_file(served.settings, "-wal").unlink()
        done = run_redblack(
            "serve", "--port", "1", cwd=tmp_path, **build_environment(served.settings)
        )
        assert done.returncode == 1
        assert "went back" in done.stderr
        assert "Traceback" not in done.stderr


def change_database(settings: Settings, statement: str) -> None:
    """Run a statement beside the server."""
    if settings.embedded:
        with closing(sqlite3.connect(database_file(settings), isolation_level=None)) as connection:
            connection.execute(statement)
        return
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


@needs_sqlite
class TestPrivateFiles:
    """Files of the registry are for their owner only."""

    def test_every_file_has_mode_0600(self, templates: RegistryTemplates, tmp_path: Path) -> None:
        del templates
        before = os.umask(0o022)
        try:
            home = tmp_path / "var"
            Secrets.make(home / "secret.key")
            settings = Settings(_env_file=None, data_dir=home, secret_key_file=home / "secret.key")
            with serve_registry(settings, tmp_path):
                modes = read_modes(home)
        finally:
            os.umask(before)
        assert {"registry.sqlite3", "registry.sqlite3-wal", "registry.sqlite3.lock"} <= set(modes)
        assert {"registry.ledger.sqlite3", "registry.ledger.sqlite3-wal", "secret.key"} <= set(
            modes
        )
        assert set(modes.values()) == {"0o600"}, modes

    def test_files_of_former_releases_are_taken_away_from_others(
        self, templates: RegistryTemplates
    ) -> None:
        copy = templates.create_copy("sqlite")
        for file in copy.data_dir.iterdir():
            file.chmod(0o644)
        with closing(Registry.open(copy)) as registry:
            assert registry.verify() is None
            modes = read_modes(copy.data_dir)
        assert set(modes.values()) == {"0o600"}, modes


def read_modes(directory: Path) -> dict[str, str]:
    return {file.name: oct(file.stat().st_mode & 0o777) for file in directory.iterdir()}
