"""The `redblack` command called within the test's own process, which starts it at once."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from app.cli import main
from app.registry import Registry
from app.settings import Settings


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """Runs commands over one registry; `close` lets go of what they opened."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    opened: list[Registry]

    def __call__(self, *arguments: str) -> Done:
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "argv", ["redblack", *arguments])
        try:
            main.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Done(code, *self.capsys.readouterr())

    def close(self) -> None:
        """A process would do it by ending."""
        for registry in self.opened:
            registry.close()


def command_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """The command, with the settings in its environment."""
    for field in ("data_dir", "database_url", "secret_key_file"):
        value = getattr(settings, field)
        name = f"REDBLACK_{field.upper()}"
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(value))
    opened: list[Registry] = []
    plain: Callable[[], Registry] = main._open

    def remember() -> Registry:
        opened.append(plain())
        return opened[-1]

    monkeypatch.setattr(main, "_open", remember)
    return Command(monkeypatch, capsys, opened)
