"""The `redblack` command, run within the process of the test, where it starts at once."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from app.cli import main, opening
from app.registry import Registry
from app.settings import Settings


class CommandResult(NamedTuple):
    """The output of a command and its exit code."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass
class CommandRunner:
    """Runner of commands over one registry; `close` closes what they opened."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    open_registries: list[Registry]

    def __call__(self, *arguments: str) -> CommandResult:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["redblack", *arguments])
        try:
            main.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return CommandResult(code, *self.capsys.readouterr())

    def close(self) -> None:
        """Close everything, as the end of a process would."""
        for registry in self.open_registries:
            registry.close()


def build_command_runner(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandRunner:
    """Build a runner with the settings in its environment."""
    for field in ("data_dir", "database_url", "secret_key_file", "clock_gap_days"):
        value = getattr(settings, field)
        name = f"REDBLACK_{field.upper()}"
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(value))
    open_registries: list[Registry] = []
    original_open: Callable[[], Registry] = opening.open_registry

    def open_and_remember() -> Registry:
        open_registries.append(original_open())
        return open_registries[-1]

    monkeypatch.setattr(opening, "open_registry", open_and_remember)
    return CommandRunner(monkeypatch, capsys, open_registries)
