"""The README and docs/reference.md agree with the code: the tour runs, the tables are complete."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.clock import Clock
from app.errors import ProblemCode
from app.rules.permissions import DEPARTMENT_ROLES, PERMISSIONS_BY_ROLE, Role
from app.security.service import create
from app.settings import Settings, Tuning
from tests.support.world import World

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ROLE_ROW = re.compile(r"^\| `(\w+)` \| (\w+:.*?) \|$", re.MULTILINE)
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")


def test_the_tour_runs_unchanged(world: World, tmp_path: Path) -> None:
    if shutil.which("bash") is None or shutil.which("curl") is None:
        pytest.skip("the tour needs bash and curl")
    world.registry.clock = Clock()
    keys = {
        role.value: create(
            world.registry,
            name="tour",
            role=role,
            department="human_resources" if role in DEPARTMENT_ROLES else None,
        )
        for role in Role
    }
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    script = "set -euo pipefail\n" + "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "REGISTRY": world.address,
            "KEYS": str(tmp_path / "keys.json"),
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check = json.loads((tmp_path / "check.json").read_text())
    assert check["results"][0]["standing"] == "black"
    trailer = json.loads((tmp_path / "entries.ndjson").read_text().splitlines()[-1])["trailer"]
    assert f"{trailer['sha256']}  -" in done.stdout
    assert json.loads((tmp_path / "entry.json").read_text())["disclosure"]["state"] == "on_time"
    assert len(json.loads((tmp_path / "receipt.json").read_text())["outcomes"]) == 1


def test_every_setting_is_documented_with_its_default() -> None:
    settings, _, tuning = REFERENCE.partition("### Tuning")
    operators = {name: field for name, field in Settings.model_fields.items() if name != "tuning"}
    for part, fields in ((settings, operators), (tuning, Tuning.model_fields)):
        documented = dict(re.findall(r"^\| `REDBLACK_(\w+)` \| (.*?) \|", part, re.MULTILINE))
        assert set(documented) == {name.upper() for name in fields}
        for name, field in fields.items():
            if isinstance(field.default, int | float):
                assert documented[name.upper()] == f"{field.default:.10g}"


def test_every_role_is_documented_with_its_permissions() -> None:
    documented = {
        role: set(permissions.split())
        for role, permissions in re.findall(
            r"^\| `(\w+)` \| (\w+:.*?) \|$", REFERENCE, re.MULTILINE
        )
    }
    assert documented == {role.value: set(granted) for role, granted in PERMISSIONS_BY_ROLE.items()}


def test_every_problem_code_is_documented() -> None:
    section = REFERENCE.split("## Problems")[1].split("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", section)) - {"code", "errors", "pointer"}
    of_the_command_line = {"invalid_notice", "twice"}
    assert documented == set(ProblemCode) - of_the_command_line


def test_every_command_is_documented() -> None:
    import typer.main

    from app.cli.main import app

    command = typer.main.get_command(app)
    names = []
    for name, sub in command.commands.items():  # type: ignore[attr-defined]
        if name == "work-submissions":  # servers start it, people do not
            continue
        names += [f"{name} {inner}" for inner in getattr(sub, "commands", {})] or [name]
    section = REFERENCE.split("## Commands")[1].split("\n## ")[0]
    for name in names:
        assert name in section, name
