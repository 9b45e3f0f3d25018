"""The migrations: one tree for both databases, equal to the models, safe to run twice at once."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import FastAPI
from sqlalchemy import inspect, text

from app.catalogue.service import initialize_registry
from app.checks.store import index_results
from app.db import migrations
from app.db.condition import read_release
from app.db.engines import open_migration_connection
from app.db.tables import LEDGER, Base
from app.jobs import idle
from app.registry import Registry
from app.settings import Settings
from tests.conftest import DATABASES
from tests.support.own_reports import issue_report
from tests.support.processes import build_environment, run_redblack, serve_registry
from tests.support.request_bodies import BUILDER_USCC, build_check, build_push, build_subject
from tests.support.world import RegistryTemplates, open_world


def tables(settings: Settings) -> set[str]:
    with open_migration_connection(settings) as connection, connection.begin():
        found = inspect(connection)
        return {*found.get_table_names(), *found.get_table_names(schema=LEDGER)}


def downgrade(settings: Settings, revision: str = "base") -> None:
    config = migrations.build_alembic_config()
    with open_migration_connection(settings) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def test_a_migrated_database_is_what_the_models_say(scratch: Settings) -> None:
    migrations.upgrade(scratch)
    with open_migration_connection(scratch) as connection, connection.begin():
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name in {None, LEDGER},
                "compare_type": True,
            },
        )
        differences: list[Any] = compare_metadata(context, Base.metadata)
    assert differences == []
    config = migrations.build_alembic_config()
    with open_migration_connection(scratch) as connection:
        config.attributes["connection"] = connection
        command.check(config)  # the messages of `alembic check`


def test_down_to_nothing_and_up_again(scratch: Settings) -> None:
    migrations.upgrade(scratch)
    assert migrations.read_current_revision(scratch) == migrations.find_schema_head()
    downgrade(scratch)
    assert migrations.read_current_revision(scratch) is None
    assert tables(scratch) <= {"alembic_version"}
    migrations.upgrade(scratch)
    expected = {table.name for table in Base.metadata.tables.values()} | {"alembic_version"}
    assert tables(scratch) == expected


def test_an_upgraded_database_takes_entries(scratch: Settings, app: FastAPI, address: str) -> None:
    migrations.upgrade(scratch)
    with closing(Registry.open(scratch)) as registry:
        initialize_registry(registry)
    world = open_world(scratch, app, address)
    assert world.api().post("/v1/entries", json=build_push()).status_code == 201
    world.close()


def test_numbers_and_names_survive_the_migration_of_subjects(
    scratch: Settings, app: FastAPI, address: str
) -> None:
    migrations.upgrade(scratch)
    with closing(Registry.open(scratch)) as registry:
        initialize_registry(registry)
    world = open_world(scratch, app, address)
    wrong = world.record(source_ref="W", subject=build_subject(name="错的公司"))
    revocation = {"reason": "错", "reason_code": "wrong_subject", "revoked_on": "2026-11-22"}
    path = f"/v1/entries/{wrong['id']}/revocations"
    assert world.api().post(path, json=revocation, headers={"If-Match": '"1"'}).is_success
    right = world.record(replaces=wrong["id"])
    world.close()
    downgrade(scratch, "0005")  # one number means one subject again
    migrations.upgrade(scratch)
    world = open_world(scratch, app, address)
    [found] = world.api("approver").post("/v1/checks", json=build_check()).json()["results"]
    assert (found["standing"], found["warnings"]) == ("black", [])
    assert found["subject"]["id"] == right["subject"]["id"]
    world.close()


def test_no_check_result_is_lost_by_downgrade_and_upgrade(
    scratch: Settings, app: FastAPI, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "QUIET_SECONDS", 1_000.0)  # nothing is indexed by itself
    migrations.upgrade(scratch)
    with closing(Registry.open(scratch)) as registry:
        initialize_registry(registry)
    world = open_world(scratch, app, address)
    world.record()
    looked_up = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询"}
    for _ in range(3):
        assert world.api("approver").post("/v1/checks", json=build_check()).is_success
        assert world.api().post("/v1/subjects/lookup", json=looked_up).is_success
    with world.registry.database.ledger() as connection:
        assert index_results(connection, 2) == 2
    before = issue_report(world)["queries"]
    assert len(before) == 6
    world.close()
    downgrade(scratch, "0009")
    assert "recent_results" not in tables(scratch)
    with open_migration_connection(scratch) as connection, connection.begin():
        found = connection.execute(text("SELECT check_id, position FROM ledger.check_results"))
        assert len(set(found.all())) == 6
    migrations.upgrade(scratch)
    world = open_world(scratch, app, address)
    assert issue_report(world)["queries"] == before
    world.close()


def test_upgrades_at_once_are_made_once(scratch: Settings, tmp_path: Path) -> None:
    # Processes, not threads: Alembic keeps its context in a module.
    def upgrade(_: int) -> CompletedProcess[str]:
        return run_redblack("db", "upgrade", cwd=tmp_path, **build_environment(scratch))

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(upgrade, range(2)):
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == f"schema at {migrations.find_schema_head()}\n"
    with closing(Registry.open(scratch)) as registry:
        assert registry.verify() is None


def test_an_upgrade_of_the_newest_schema_changes_nothing(scratch: Settings) -> None:
    migrations.upgrade(scratch)
    before = tables(scratch)
    migrations.upgrade(scratch)
    assert tables(scratch) == before


def test_readiness_reports_a_stale_schema_and_nothing_is_answered(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str
) -> None:
    settings = templates.create_copy(backend)
    world = open_world(settings, app, address)
    department = world.api()
    with open_migration_connection(settings) as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = department.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "not_ready"
    assert "redblack db upgrade" in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    answer = department.get("/v1/domains")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    world.close()
    templates.drop_copy(settings)


def test_serving_refuses_an_empty_postgresql_and_migrates_an_empty_sqlite(
    backend: str, scratch: Settings, tmp_path: Path
) -> None:
    if backend == "sqlite":
        with serve_registry(scratch, tmp_path) as served, served.client() as client:
            assert client.get("/readyz").json() == {"status": "ready"}
        return
    named = build_environment(scratch)
    done = run_redblack("serve", "--port", "1", cwd=tmp_path, **named)
    assert done.returncode == 1
    assert done.stderr.startswith("redblack: ")
    assert "redblack db upgrade" in done.stderr
    assert "Traceback" not in done.stderr
    upgraded = run_redblack("db", "upgrade", cwd=tmp_path, **named)
    assert (upgraded.returncode, upgraded.stdout) == (
        0,
        f"schema at {migrations.find_schema_head()}\n",
    )
    with serve_registry(scratch, tmp_path) as served, served.client() as client:
        assert client.get("/readyz").json() == {"status": "ready"}


def test_serving_refuses_a_stale_postgresql(templates: RegistryTemplates, tmp_path: Path) -> None:
    if "postgresql" not in DATABASES:
        pytest.skip("PostgreSQL is not to be tested")
    settings = templates.create_copy("postgresql")
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    done = run_redblack("serve", "--port", "1", cwd=tmp_path, **build_environment(settings))
    assert done.returncode == 1
    assert "redblack db upgrade" in done.stderr
    assert "Traceback" not in done.stderr
    templates.drop_copy(settings)


def test_each_migration_is_dated_and_says_what_it_does() -> None:
    scripts = ScriptDirectory.from_config(migrations.build_alembic_config())
    revisions = list(scripts.walk_revisions())
    assert revisions
    for revision in revisions:
        name = Path(revision.path).name
        assert re.fullmatch(r"20[0-9]{6}_[0-9]{4}_[a-z_]+\.py", name), name
        assert name.split("_")[1] == revision.revision
        assert revision.doc
        assert revision.module.downgrade is not None
    [_] = scripts.get_heads()
    days = [Path(revision.path).name[:8] for revision in revisions]
    assert days == sorted(days, reverse=True)


def test_each_migration_writes_down_the_oldest_release_that_may_serve(scratch: Settings) -> None:
    scripts = ScriptDirectory.from_config(migrations.build_alembic_config())
    written = {
        revision.revision: revision.module.oldest_release
        for revision in scripts.walk_revisions()
        if revision.revision >= FIRST_WITH_RELEASE
    }
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", release) for release in written.values())
    migrations.upgrade(scratch)
    assert read_oldest_releases(scratch) == written
    downgrade(scratch, FIRST_WITH_RELEASE)
    assert list(read_oldest_releases(scratch)) == [FIRST_WITH_RELEASE]
    migrations.upgrade(scratch)
    assert read_oldest_releases(scratch) == written


FIRST_WITH_RELEASE = "0013"
NEWER_MIGRATION = '''
"""A column of a later release."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"
branch_labels = None
depends_on = None
oldest_release = "{oldest}"


def upgrade() -> None:
    op.add_column("entries", sa.Column("later", sa.String(length=80), nullable=True))


def downgrade() -> None:
    op.drop_column("entries", "later")
'''


def read_oldest_releases(settings: Settings) -> dict[str, str]:
    with open_migration_connection(settings) as connection, connection.begin():
        found = connection.execute(text("SELECT revision, oldest_release FROM schema_releases"))
        return {row.revision: row.oldest_release for row in found}


def upgrade_to_later_release(settings: Settings, directory: Path, oldest: str) -> None:
    """Upgrade as a later release would, with one migration more."""
    directory.mkdir()
    text_of_migration = NEWER_MIGRATION.format(head=migrations.find_schema_head(), oldest=oldest)
    (directory / "20990101_9999_later.py").write_text(text_of_migration)
    config = migrations.build_alembic_config()
    config.set_main_option("path_separator", "os")
    config.set_main_option(
        "version_locations", f"{migrations.ROOT / 'migrations' / 'versions'}:{directory}"
    )
    with open_migration_connection(settings) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def test_a_running_process_serves_on_a_newer_schema_that_allows_it(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    world = open_world(settings, app, address)
    world.record()
    upgrade_to_later_release(settings, tmp_path / "later", read_release())
    assert world.client(None).get("/readyz").json() == {"status": "ready"}
    world.record(source_ref="HR-AFTER")
    [found] = world.api("approver").post("/v1/checks", json=build_check()).json()["results"]
    assert found["standing"] == "black"
    # A process of this release that starts now serves too, and leaves the schema as it is.
    migrations.upgrade(settings)
    assert migrations.read_current_revision(settings) == "9999"
    with serve_registry(settings, tmp_path) as served, served.client() as client:
        assert client.get("/readyz").json() == {"status": "ready"}
    world.close()
    templates.drop_copy(settings)


def test_a_process_that_is_too_old_for_the_schema_is_not_ready(
    backend: str, templates: RegistryTemplates, app: FastAPI, address: str, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    world = open_world(settings, app, address)
    upgrade_to_later_release(settings, tmp_path / "later", "99.0.0")
    answer = world.client(None).get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "99.0.0" in answer.json()["detail"]
    world.registry.inspect()
    answer = world.api().get("/v1/domains")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    world.close()
    templates.drop_copy(settings)
