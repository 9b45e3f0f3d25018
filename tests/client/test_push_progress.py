"""A push that waits for a submission."""

import io
import sys
from pathlib import Path

import pytest

from app.client import progress_display
from app.client.push import RowsRefused, push_file
from tests.support.fake_registry import (
    KEY,
    SUBMISSION_ID,
    FakeRegistry,
    PushRunner,
    build_refusal,
    build_view,
    send_problem,
)
from tests.support.pauses import replace_pauses

# --- work in the background --------------------------------------------------------


def test_it_polls_until_the_work_is_done(
    registry: FakeRegistry, send: PushRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_display, "PROGRESS_INTERVAL_SECONDS", 0)
    registry.first_view = build_view("queued")
    working = build_view(
        "running",
        rows_read=1200,
        accepted=1100,
        refused=0,
        share=0.25,
        rows_per_second=401.6,
        remaining_seconds=62.4,
    )
    registry.later_views = [
        build_view("queued"),
        working,
        working,
        working,
        working,
        build_view(accepted=9),
    ]
    sent = send()
    assert (sent.code, sent.pauses) == (0, [0.5, 1, 2, 4, 5, 5])
    assert sent.lines[0] == f"submission {SUBMISSION_ID} · queued 排队中"
    assert "accepted 接受 9" in sent.lines[1]
    assert (
        "redblack push: at work 处理: read 已读 1,200 · accepted 接受 1,100 · refused 拒绝 0"
        " · 402 rows/s 行/秒 · left 剩余 1:02\n"
    ) in sent.err
    assert "reading 读取: 0.0 / 0.0 MB" in sent.err
    assert "sending 上传: 0.0 / 0.0 MB" in sent.err


def test_it_polls_as_often_as_the_registry_names(registry: FakeRegistry, send: PushRunner) -> None:
    registry.first_view, registry.poll_after = build_view("receiving"), "3"
    registry.later_views = [build_view("running"), build_view("running"), build_view()]
    assert send().pauses == [0.5, 3, 3]
    registry.poll_after = "7200"
    registry.later_views = [build_view("running"), build_view()]
    assert send().pauses == [0.5, 60]


def test_progress_is_printed_only_at_intervals(registry: FakeRegistry, send: PushRunner) -> None:
    registry.first_view = build_view("queued")
    registry.later_views = [*[build_view("running")] * 50, build_view()]
    assert send().err == ""


def test_a_push_waits_during_a_restart(registry: FakeRegistry, send: PushRunner) -> None:
    registry.first_view = build_view("running")
    registry.later_views = [build_view("running"), build_view("running"), build_view(accepted=10)]

    def restart(count: int) -> None:
        if count == 2:
            registry.stop()
        elif count == 5:
            registry.start()
            registry.overrides = [send_problem(503, "not_ready", "启动中", Retry_After="2")]

    sent = send(during=restart)
    assert sent.code == 0
    assert sent.pauses == [0.5, 1, 1, 2, 4, 8, 2]
    assert len(registry.uploads) == 1  # the client continues by itself; nothing is sent again
    assert sent.lines[-1].count("accepted 接受 10") == 1


def test_a_submission_that_the_registry_lost_ends_it(
    registry: FakeRegistry, send: PushRunner
) -> None:
    registry.first_view, registry.later_views = build_view("queued"), [build_view()]
    registry.overrides = [None, send_problem(404, "not_found", "没有该批次")]
    sent = send()
    assert sent.code == 1
    assert sent.failed == "the registry says / 平台答复: 404 not_found: 没有该批次"


# --- a terminal --------------------------------------------------------------------


def test_on_a_terminal_there_is_a_bar(
    registry: FakeRegistry,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    registry.first_view = build_view("queued")
    working = build_view(
        "running", rows_read=7, share=0.7, rows_per_second=1234.5, remaining_seconds=7262
    )
    registry.later_views = [working, build_view(rows_read=10, refused=1)]
    registry.refusals = [build_refusal(3, column="[red]列")]
    registry.overrides = [send_problem(503, "busy", "[bold]写入繁忙"), None]
    replace_pauses(monkeypatch, lambda _: None)
    lines = push_file(registry.address, file, KEY)
    with pytest.raises(RowsRefused):
        sys.stdout.writelines(lines)
    shown = screen.getvalue()
    assert "at work 处理" in shown
    assert "70%" in shown
    assert "read 已读 7" in shown
    assert "121:02" in shown  # even if it is narrow
    assert "503 busy: [bold]写入繁忙; again in 1 s" in shown
    assert "row 3 · [red]列 · " in shown
    out = capsys.readouterr().out
    assert out.count("submission") == 2
    assert "\x1b" not in out
