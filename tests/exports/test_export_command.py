"""`redblack export`: the same file as over HTTP, complete or absent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clock import Clock
from app.demo.synthetic import build_uscc
from app.exports import snapshot
from app.registry import Registry
from tests.support.commands import CommandRunner, build_command_runner
from tests.support.export_readers import EXPORT_PARSERS
from tests.support.processes import build_push_today
from tests.support.world import World


@pytest.fixture
def command(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandRunner]:
    made = build_command_runner(world.registry.settings, monkeypatch, capsys)
    yield made
    made.close()


def record_entries(world: World) -> str:
    """Record three entries, one of them void; return today by the machine's clock."""
    world.clock.instant = Clock().now()  # the command uses this clock
    today = world.clock.today().isoformat()
    for serial in range(3):
        facts = build_push_today(build_uscc(serial), f"CLI-{serial}")
        answer = world.api().post("/v1/entries", json=facts)
        assert answer.status_code == 201, answer.text
    revoked = world.api().post(
        f"/v1/entries/{answer.json()['id']}/revocations",
        json={"reason": "错误主体", "reason_code": "wrong_subject", "revoked_on": today},
        headers={"If-Match": '"1"'},
    )
    assert revoked.status_code == 200, revoked.text
    return today


def test_the_file_has_the_bytes_of_the_export_over_http(
    world: World, command: CommandRunner, tmp_path: Path
) -> None:
    today = record_entries(world)
    for export_format, reader in EXPORT_PARSERS.items():
        file = tmp_path / f"entries.{export_format}"
        asked = {"format": export_format, "scope": "all", "list": "black", "on": today}
        options = [part for name, value in asked.items() for part in (f"--{name}", value)]
        done = command("export", "--output", str(file), *options)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{file}: {file.stat().st_size} bytes\n"
        answer = world.api("auditor").get("/v1/exports/entries", params=asked)
        assert file.read_bytes() == answer.content
        export = reader(file.read_bytes())
        export.require_matching_trailer()
        assert export.trailer["count"] == 3
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".csv", ".json", ".ndjson"]
    trail = world.api("auditor").get("/v1/audit/records", params={"action": "export_completed"})
    by_command = [
        record
        for record in trail.json()["records"]
        if record["actor_name"] == "command line" and record["actor_id"] is None
    ]
    assert len(by_command) == 3


def test_known_at_pins_the_past_on_the_command_line_too(
    world: World, command: CommandRunner, tmp_path: Path
) -> None:
    today = record_entries(world)
    known_at = world.clock.now().isoformat()
    before = world.api("auditor").get("/v1/exports/entries", params={"on": today}).content
    later = world.api().post("/v1/entries", json=build_push_today(build_uscc(9), "CLI-LATER"))
    assert later.status_code == 201, later.text
    file = tmp_path / "past.ndjson"
    done = command("export", "--output", str(file), "--on", today, "--known-at", known_at)
    assert done.exit_code == 0, done.stderr
    assert file.read_bytes() == before


def test_what_is_there_is_never_overwritten(
    world: World, command: CommandRunner, tmp_path: Path
) -> None:
    for name in ("entries.ndjson", "entries.ndjson.part"):
        there = tmp_path / name
        there.write_text("somebody's work")
        done = command("export", "--output", str(tmp_path / "entries.ndjson"))
        assert (done.exit_code, done.stderr) == (1, f"redblack: {there} exists\n")
        assert there.read_text() == "somebody's work"
        there.unlink()
    trail = world.api("auditor").get("/v1/audit/records", params={"action": "export_started"})
    assert trail.json()["records"] == []


def test_an_export_that_breaks_off_leaves_no_file_under_its_name(
    world: World, command: CommandRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(registry: Registry, *_: object) -> Iterator[bytes]:
        yield b"{}\n"
        raise OSError("the disk went away")

    monkeypatch.setattr(snapshot, "_stream_ndjson", failing)
    done = command("export", "--output", str(tmp_path / "entries.ndjson"))
    assert (done.exit_code, done.stderr) == (1, "redblack: the disk went away\n")
    assert not (tmp_path / "entries.ndjson").exists()


def test_the_future_and_an_instant_without_a_zone_are_refused(
    command: CommandRunner, tmp_path: Path
) -> None:
    for options in (
        ["--on", "2199-01-01"],
        ["--on", "tomorrow"],
        ["--known-at", "2026-11-22T08:00:00"],
        ["--known-at", "2199-01-01T00:00:00Z"],
    ):
        done = command("export", "--output", str(tmp_path / "x"), *options)
        assert done.exit_code == 1, options
        assert done.stderr.startswith("redblack: ")
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
