"""Clients and their fake registries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client.http import ClientError
from app.client.push import push_file
from tests.support.fake_feed import FakeFeed
from tests.support.fake_registry import (
    KEY,
    FakeRegistry,
    PushResult,
    build_view,
)
from tests.support.pauses import replace_pauses


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """A registry that accepts all ten rows at once."""
    made = FakeRegistry(first_view=build_view(rows_read=10, accepted=10))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "rows.csv"
    made.write_bytes(b"a,b\n" + b"1,2\n" * 10)
    return made


@pytest.fixture
def send(
    registry: FakeRegistry,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., PushResult]:
    """Push without pausing; `during` is called for every pause."""

    def run(
        path: Path = file,
        *,
        key: str = KEY,
        url: str = "",
        during: Callable[[int], None] = lambda _: None,
        **options: Any,
    ) -> PushResult:
        pauses: list[float] = []
        lines: list[str] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            during(len(pauses))

        replace_pauses(monkeypatch, pause)
        capsys.readouterr()
        code, failed = 0, ""
        try:
            lines.extend(push_file(url or registry.address, path, key, **options))
        except ClientError as ended:
            code, failed = ended.exit_code, str(ended)
        err = capsys.readouterr().err
        assert KEY not in err + failed + "".join(lines)
        assert not list(path.parent.glob("*.part"))
        return PushResult(code, lines, failed, err, pauses)

    return run


@pytest.fixture
def feed() -> FakeFeed:
    """A feed of five entries; one name contains characters that some readers take for line ends."""
    made = FakeFeed()
    for number in range(5):
        made.put_entry(f"e{number}", entry_id=f"企业\u2028{number}", zeal=1, alpha=[1.5, None])
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copy.sqlite"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a client requests; nothing waits."""
    seconds: list[float] = []
    replace_pauses(monkeypatch, seconds.append)
    return seconds
