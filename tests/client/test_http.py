"""The HTTP layer of the clients: pauses, and errors that are not repeated."""

import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.client import http
from app.client.http import ClientError, RegistryClient, RetryableError, open_registry
from tests.support.pauses import replace_pauses


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def registry(lines: list[str]) -> Iterator[RegistryClient]:
    with httpx.Client() as client:
        yield RegistryClient(client, 300, lines.append)


def fail_with(*errors: BaseException) -> Callable[[], str]:
    """Build an attempt that raises each error once and then succeeds."""
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


def test_a_retry_waits_as_long_as_retry_after(
    registry: RegistryClient, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MIN_PAUSE_SECONDS", 0.01)
    started = time.monotonic()
    assert registry.retry(fail_with(RetryableError("busy", 0.3), httpx.ReadTimeout("late"))) == (
        "done"
    )
    assert 0.32 <= time.monotonic() - started < 5
    assert lines == [
        "busy; again in 0.3 s / 0.3 秒后重试",
        "late; again in 0.02 s / 0.02 秒后重试",
    ]


@pytest.mark.parametrize("error", [ClientError("no"), ValueError("bug"), KeyboardInterrupt()])
def test_other_errors_end_the_attempts_at_once(
    registry: RegistryClient, lines: list[str], error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised:
        registry.retry(fail_with(error))
    assert raised.value is error
    assert lines == []


def test_an_interrupt_ends_a_pause(
    registry: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    replace_pauses(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        registry.retry(fail_with(RetryableError("busy")))


def test_each_call_begins_with_a_short_pause_and_all_its_patience(
    registry: RegistryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    replace_pauses(monkeypatch, pauses.append)
    for _ in range(2):
        registry.retry(fail_with(RetryableError("busy", 200), RetryableError("busy", 90)))
    assert pauses == [200, 90, 200, 90]
    with pytest.raises(ClientError, match="does not answer"):
        registry.retry(fail_with(RetryableError("busy", 200), RetryableError("busy", 101)))


def test_the_library_of_retries_prints_nothing(
    registry: RegistryClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    replace_pauses(monkeypatch, lambda _: None)
    registry.retry(fail_with(RetryableError("busy")))
    assert (capsys.readouterr(), caplog.records) == (("", ""), [])


def test_headers_carry_the_key_and_the_languages() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=dict(request.headers))

    with open_registry(
        "https://registry.example/city",
        "rbk_x",
        answer_seconds=1,
        max_wait_seconds=0,
        print_line=print,
        languages="zh",
        transport=httpx.MockTransport(answer),
    ) as registry:
        received = registry.get("/v1/changes")
    assert str(received.url) == "https://registry.example/city/v1/changes"
    assert received.json()["authorization"] == "Bearer rbk_x"
    assert received.json()["accept-language"] == "zh"


def test_the_clients_import_nothing_else_of_the_application() -> None:
    files = list(Path(http.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] != "app" or name.startswith("app.client."), file
