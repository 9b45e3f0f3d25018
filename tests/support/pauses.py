"""Pauses of the clients: retries, and polls of push and mirror."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from tenacity import nap

from app.client import mirror, submission


def replace_pauses(monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]) -> None:
    """Call `pause` with the seconds of each pause; nothing waits."""
    monkeypatch.setattr(nap, "time", SimpleNamespace(sleep=pause))  # the sleep of stamina
    monkeypatch.setattr(mirror, "sleep", pause)
    monkeypatch.setattr(submission, "sleep", pause)
