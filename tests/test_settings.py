"""Settings of operators and tuning: both come from `REDBLACK_…`, and reach other processes."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings, Tuning


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("REDBLACK_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_a_variable_sets_a_tuning_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDBLACK_WRITE_SLOTS", "3")
    monkeypatch.setenv("REDBLACK_BODY_LIMIT_BYTES", "5000")
    settings = Settings()
    assert (settings.tuning.write_slots, settings.body_limit_bytes) == (3, 5000)
    assert settings.tuning.write_queue == Tuning().write_queue


def test_the_file_sets_settings_and_tuning(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("REDBLACK_READ_POOL=5\nREDBLACK_LOG_LEVEL=DEBUG\n")
    settings = Settings()
    assert (settings.tuning.read_pool, settings.log_level) == (5, "DEBUG")


def test_another_process_gets_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=Path("elsewhere"),
        submission_workers=2,
        tuning=Tuning(submission_lease_seconds=1.5, key_cache_seconds=0),
    )
    variables = settings.to_environment()
    assert variables["REDBLACK_SUBMISSION_LEASE_SECONDS"] == "1.5"
    assert "REDBLACK_TUNING" not in variables
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_tuning_has_bounds_and_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    tuning = Tuning()
    with pytest.raises(ValidationError):
        tuning.write_slots = 3  # type: ignore[misc]
    monkeypatch.setenv("REDBLACK_KEY_CACHE_SECONDS", "3")
    with pytest.raises(ValidationError):
        Settings()
