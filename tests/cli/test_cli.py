"""The `redblack` command: keys, the database and the law, with refusals as sentences."""

import stat
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from app.clock import SHANGHAI, Clock
from app.db import migrations
from app.db.clock_state import record_sighting
from app.db.tables import RegistryState
from app.settings import Settings
from tests.support.commands import CommandRunner, build_command_runner
from tests.support.processes import run_redblack
from tests.support.request_bodies import build_push
from tests.support.world import World

CHARITY = {
    "list_type": "charity.black",
    "legal_basis": "慈善法第一百一十条",
    "disclosure": {"class": "restricted"},
}


@pytest.fixture
def command(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[CommandRunner]:
    monkeypatch.chdir(tmp_path)
    made = build_command_runner(world.registry.settings, monkeypatch, capsys)
    yield made
    made.close()


def refused(command: CommandRunner, *arguments: str) -> str:
    """Run a command that must fail; return its standard error."""
    done = command(*arguments)
    assert (done.exit_code, done.stdout) == (1, ""), arguments
    assert done.stderr.startswith("redblack: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def asks(world: World, key: str) -> httpx.Response:
    with world.client(key) as client:
        return client.get("/v1/domains")


def test_a_new_key_is_printed_alone_and_works(world: World, command: CommandRunner) -> None:
    for role in ("department", "approver", "auditor", "operator", "subscriber"):
        named = ["--name", f"{role} key", "--role", role, "--person", "王某"]
        if role in {"department", "approver"}:
            named += ["--department", "human_resources"]
        done = command("keys", "create", *named)
        assert (done.exit_code, done.stderr) == (0, "")
        key = done.stdout.removesuffix("\n")
        assert key.startswith("rbk_")
        assert key.split() == [key]
        assert asks(world, key).status_code == 200


def test_keys_are_listed_without_themselves_and_revoked(
    world: World, command: CommandRunner
) -> None:
    key = command("keys", "create", "--name", "auditor", "--role", "auditor").stdout.strip()
    listed = command("keys", "list").stdout
    assert key not in listed
    [columns] = [line.split("\t") for line in listed.splitlines()]
    assert columns[1:] == ["auditor", "-", "auditor", "-", "in use"]
    UUID(columns[0])
    done = command("keys", "revoke", columns[0])
    assert (done.exit_code, done.stdout) == (0, "revoked\n")
    assert command("keys", "list").stdout.splitlines()[0].split("\t")[-1].startswith("revoked 20")
    assert asks(world, key).status_code == 401
    assert refused(command, "keys", "revoke", columns[0]) == "redblack: no such key in use\n"


def test_a_key_without_a_holder_is_refused(command: CommandRunner) -> None:
    message = refused(command, "keys", "create", "--name", "x", "--role", "department")
    assert message.startswith("redblack: A key of role department needs a department / ")


def test_a_secret_key_file_is_private_and_never_overwritten(
    command: CommandRunner, tmp_path: Path
) -> None:
    file = tmp_path / "fresh.key"
    assert command("keys", "secret", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert refused(command, "keys", "secret", str(file)).endswith("never overwritten\n")
    assert file.read_bytes() == before


def test_the_database_says_its_revision_and_upgrades_again(command: CommandRunner) -> None:
    upgraded = command("db", "upgrade")
    assert upgraded.exit_code == 0
    revision = upgraded.stdout.removeprefix("schema at ").strip()
    assert command("db", "current").stdout == f"{revision} (newest: {revision})\n"


def test_a_new_epoch_is_seen_by_who_asks(world: World, command: CommandRunner) -> None:
    assert command("db", "new-epoch").stdout == "epoch 2\n"
    assert command("db", "new-epoch").stdout == "epoch 3\n"
    trailer = world.api("auditor").get("/v1/exports/entries").json()["trailer"]
    assert trailer["epoch"] == 3


def test_a_district_bureau_is_added_and_decides_like_its_parent(
    world: World, command: CommandRunner
) -> None:
    named = ["--code", "tengzhou_human_resources", "--name", "滕州市人社局"]
    done = command("departments", "add", *named, "--parent", "human_resources")
    assert (done.exit_code, done.stdout) == (0, "catalogue version 2\n")
    bureau = world.api("department", "tengzhou_human_resources")
    assert bureau.post("/v1/entries", json=build_push()).status_code == 201
    assert "is taken" in refused(command, "departments", "add", *named)
    unknown = ["--code", "other", "--name", "某局", "--parent", "nobody"]
    assert "no department nobody" in refused(command, "departments", "add", *unknown)


def test_a_list_type_is_enabled_on_its_legal_reference(
    world: World, command: CommandRunner
) -> None:
    civil = world.api("department", "civil_affairs")
    before = civil.post("/v1/entries", json=build_push(**CHARITY))
    assert (before.status_code, before.json()["code"]) == (409, "list_type_not_in_force")
    done = command("catalogue", "enable", "charity.black", "--legal-reference", "《慈善法》")
    assert (done.exit_code, done.stdout) == (0, "catalogue version 2\n")
    assert civil.post("/v1/entries", json=build_push(**CHARITY)).status_code == 201
    refused(command, "catalogue", "enable", "charity.grey", "--legal-reference", "《慈善法》")
    refused(command, "catalogue", "enable", "charity.red", "--legal-reference", "  ")


def test_a_catalogue_file_changes_the_law_and_a_faulty_one_nothing(
    world: World, command: CommandRunner, tmp_path: Path
) -> None:
    file = tmp_path / "law.yaml"
    matter = "matters:\n  - {code: land_use, name: 用地审批, legal_reference: 土地管理法}\n"
    file.write_text(matter, "utf-8")
    done = command("catalogue", "load", str(file))
    assert (done.exit_code, done.stdout) == (0, "catalogue version 2\n"), done.stderr
    matters = world.api().get("/v1/matters").json()
    assert "land_use" in {matter["code"] for matter in matters["matters"]}
    for text in (
        matter.replace("name:", "nam:"),
        "laws: []\n",
        "- [\n",
        "measure_rules:\n  - {code: x}\n",
    ):
        file.write_text(text, "utf-8")
        refused(command, "catalogue", "load", str(file))
    assert world.api().get("/v1/matters").json()["catalogue_version"] == "2"


def test_a_wrong_setting_is_named_and_not_repeated(
    command: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDBLACK_WRITE_SLOTS", "secret words")
    message = refused(command, "db", "current")
    assert message.startswith("redblack: REDBLACK_WRITE_SLOTS: ")
    assert "secret words" not in message


def test_a_database_or_key_file_that_is_away_is_a_sentence(
    backend: str, command: CommandRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REDBLACK_SECRET_KEY_FILE", str(tmp_path / "nowhere.key"))
    assert refused(command, "keys", "list").endswith("nowhere.key does not exist\n")
    if backend == "postgresql":
        monkeypatch.delenv("REDBLACK_SECRET_KEY_FILE")
        message = refused(command, "keys", "list")
        assert message == "redblack: REDBLACK_SECRET_KEY_FILE is required on PostgreSQL\n"
        monkeypatch.setenv("REDBLACK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        for arguments in (["db", "current"], ["db", "upgrade"]):
            monkeypatch.setenv("REDBLACK_SECRET_KEY_FILE", str(tmp_path / "own.key"))
            if not (tmp_path / "own.key").exists():
                command("keys", "secret", str(tmp_path / "own.key"))
            assert "does not answer" in refused(command, *arguments)


def test_without_a_command_it_lists_the_commands(tmp_path: Path) -> None:
    done = run_redblack("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("serve", "db", "keys", "departments", "catalogue", "calendar", "export"):
        assert word in done.stdout
    assert "openapi" not in done.stdout  # for developers
    assert list(tmp_path.iterdir()) == []


def test_any_command_may_be_the_first_on_an_empty_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "new")
    empty = build_command_runner(settings, monkeypatch, capsys)
    assert empty("db", "current").stdout.startswith("None")
    assert empty("keys", "create", "--name", "first", "--role", "auditor").exit_code == 0
    assert empty("db", "current").stdout.startswith(str(migrations.find_schema_head()))
    empty.close()


def test_the_version_is_that_of_the_project(tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    shown = run_redblack("--version", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, f"redblack {project['project']['version']}\n")


def test_the_clock_is_shown_and_confirmed(world: World, command: CommandRunner) -> None:
    shown = command("db", "confirm-clock")
    assert shown.exit_code == 0
    assert "this machine:" in shown.stdout
    assert "--today" in shown.stdout
    refusal = refused_after_output(command, "db", "confirm-clock", "--today", "2020-01-01")
    assert "not 2020-01-01" in refusal
    today = Clock().today().isoformat()
    done = command("db", "confirm-clock", "--today", today, "--reason", "更换主板电池")
    assert done.stdout.endswith("confirmed\n")


def test_a_clock_in_doubt_stops_commands_until_it_is_confirmed(
    world: World, command: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDBLACK_CLOCK_GAP_DAYS", "45")
    with world.registry.database.writing() as connection:
        record_sighting(connection, Clock().now() + timedelta(days=1))
    assert "confirm-clock" in refused(command, "keys", "create", "--name", "a", "--role", "auditor")
    today = Clock().today().isoformat()
    assert command("db", "confirm-clock", "--today", today, "--reason", "误报").exit_code == 0
    assert command("keys", "create", "--name", "a", "--role", "auditor").exit_code == 0


def refused_after_output(command: CommandRunner, *arguments: str) -> str:
    """Run a command that prints something and then fails; return its standard error."""
    done = command(*arguments)
    assert done.exit_code == 1
    return done.stderr


def test_a_wrong_clock_is_shown_and_repaired(world: World, command: CommandRunner) -> None:
    world.record()
    now = Clock().now()
    with world.registry.database.writing() as connection:
        connection.execute(update(RegistryState).values(turned_on=date(2099, 1, 1)))
    assert "repair-clock" in refused(command, "keys", "create", "--name", "a", "--role", "auditor")
    shown = command("db", "repair-clock")
    assert "2099-01-01" in shown.stdout
    today = now.astimezone(SHANGHAI).date().isoformat()
    arguments = ("db", "repair-clock", "--today", today, "--reason", "主板电池失效", "--right")
    assert command(*arguments, "2026-11-22T10:00:00").exit_code == 2  # without a zone
    assert command(*arguments, "yesterday").exit_code == 2
    done = command(*arguments, now.isoformat())
    assert done.exit_code == 0, done.stderr
    assert "epoch 2" in done.stdout
    assert command("keys", "create", "--name", "a", "--role", "auditor").exit_code == 0
