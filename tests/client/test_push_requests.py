"""The requests of a push, and connections that fail."""

import hashlib
import tracemalloc
from pathlib import Path

import httpx
import pytest

from app.client.push import PushOptions, push_file
from tests.support.fake_registry import (
    KEY,
    SUBMISSION_ID,
    SUBMISSIONS,
    FakeRegistry,
    PushRunner,
    build_view,
    hang_up_after,
    send_body,
    send_problem,
)

# --- the request -------------------------------------------------------------------


def test_a_small_file_is_answered_at_once(
    registry: FakeRegistry, file: Path, send: PushRunner
) -> None:
    sent = send()
    assert (sent.code, sent.failed, sent.pauses, sent.err) == (0, "", [], "")
    others = " · replayed 已有 0 · corrected 更正 0 · exited 退出 0 · refused 拒绝 0"
    assert sent.lines == [
        f"submission {SUBMISSION_ID} · done 已完成",
        f"submission {SUBMISSION_ID} · done 已完成 · rows 行 10 · accepted 接受 10{others}",
    ]
    [(query, headers, sha256)] = registry.uploads
    assert query == {
        "dry_run": "false",
        "on_error": "continue",
        "commit": "valid_rows",
        "mode": "append",
    }
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert headers["Content-Length"] == str(file.stat().st_size)
    assert "Transfer-Encoding" not in headers
    assert headers["Accept-Language"].startswith("zh")
    assert registry.requests == [f"POST {SUBMISSIONS}"]


def test_all_options_are_sent(registry: FakeRegistry, send: PushRunner) -> None:
    wishes = PushOptions(
        list_type="black",
        department="human_resources",
        dry_run=True,
        on_error="stop",
        commit="all_or_nothing",
        mode="replace",
        reason="2026 年度名单",
        rows=10,
    )
    registry.first_view |= {"dry_run": True}
    sent = send(options=wishes, language="en")
    [(query, headers, _)] = registry.uploads
    assert query == {
        "list_type": "black",
        "department": "human_resources",
        "dry_run": "true",
        "on_error": "stop",
        "commit": "all_or_nothing",
        "mode": "replace",
        "reason": "2026 年度名单",
        "rows": "10",
    }
    assert headers["Accept-Language"].startswith("en")
    assert sent.code == 0
    assert sent.lines[-1].endswith("dry run, nothing was recorded 试运行，未入库")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.ndjson", "application/x-ndjson"),
        ("a.jsonl", "application/x-ndjson"),
        ("a.json", "application/json"),
        ("a.CSV", "text/csv"),
        ("名单.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.txt", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_media_type_follows_the_suffix(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner, name: str, media_type: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert send(path).code == 0
    assert registry.uploads[0][1]["Content-Type"] == media_type


def test_a_large_file_goes_through_little_memory(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    path = tmp_path / "large.ndjson"
    with path.open("wb") as opened:
        opened.truncate(96 * 1024 * 1024)
    registry.overrides = [None, hang_up_after(500_000)]
    tracemalloc.start()
    sent = send(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (sent.code, len(registry.uploads)) == (0, 1)
    assert peak < 6 * 1024 * 1024, peak
    assert registry.requests == [f"GET {SUBMISSIONS}", f"POST {SUBMISSIONS}", f"POST {SUBMISSIONS}"]


def test_a_file_that_changes_is_not_sent(
    registry: FakeRegistry, file: Path, send: PushRunner
) -> None:
    def grow(_: int) -> None:
        with file.open("ab") as opened:
            opened.write(b"3,4\n")

    registry.overrides = [send_problem(503, "busy", "稍后")]
    sent = send(during=grow)
    assert (sent.code, registry.uploads) == (1, [])
    assert "is being changed" in sent.failed


def test_a_file_replaced_during_a_pause_is_not_sent(
    registry: FakeRegistry, file: Path, send: PushRunner
) -> None:
    first = file.read_bytes()

    def replace(_: int) -> None:
        other = file.with_name("other")
        other.write_bytes(b"another")
        other.rename(file)

    registry.overrides = [send_problem(503, "busy", "稍后")]
    assert send(during=replace).code == 0
    assert registry.uploads[0][2] == hashlib.sha256(first).hexdigest()


# --- bad connections ---------------------------------------------------------------


def test_an_upload_is_repeated_after_a_broken_connection(
    registry: FakeRegistry, tmp_path: Path, send: PushRunner
) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b"{}\n" * 300_000)  # more than the buffers of a connection can hold
    registry.overrides = [hang_up_after(100_000), hang_up_after(0), hang_up_after(900_000)]
    sent = send(path)
    assert (sent.code, sent.pauses) == (0, [1, 2, 4])
    assert len(registry.uploads) == 1
    assert sent.err.count("again in") == 3


def test_it_waits_for_the_requested_time(registry: FakeRegistry, send: PushRunner) -> None:
    registry.overrides = [
        send_problem(503, "busy", "写入繁忙", Retry_After="7"),
        send_problem(429, "too_many_attempts", "请稍后", Retry_After="1"),
        send_body(b"<html>", status=502),
        send_problem(503, "busy", "x", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        send_problem(504, "x", "x", Retry_After="soon"),
    ]
    sent = send()
    assert (sent.code, sent.pauses) == (0, [7, 2, 4, 8, 16])
    assert "503 busy: 写入繁忙; again in 7 s / 7 秒后重试" in sent.err
    assert "502 Bad Gateway; again in 4 s" in sent.err


def test_retry_after_may_be_a_date(registry: FakeRegistry, send: PushRunner) -> None:
    registry.overrides = [
        send_problem(503, "busy", "x", Retry_After="Thu, 01 Jan 2099 00:00:00 GMT")
    ]
    sent = send()
    assert (sent.code, sent.pauses) == (1, [])  # longer than every timeout
    assert sent.failed == "the registry does not answer / 平台无应答: 503 busy: x"


def test_the_sum_of_pauses_is_limited(registry: FakeRegistry, send: PushRunner) -> None:
    registry.stop()
    sent = send()
    assert sent.code == 1
    assert sent.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert sent.failed.startswith("the registry does not answer / 平台无应答: ")
    assert sent.lines == []
    assert send(max_wait_seconds=0).pauses == []


def test_a_push_waits_for_a_server_that_starts_late(
    registry: FakeRegistry, send: PushRunner
) -> None:
    registry.stop()
    sent = send(during=lambda count: registry.start() if count == 3 else None)
    assert (sent.code, sent.pauses) == (0, [1, 2, 4])


# --- addresses ---------------------------------------------------------------------


def test_the_key_is_sent_to_one_address_only(registry: FakeRegistry, send: PushRunner) -> None:
    other = FakeRegistry(first_view=build_view())
    other.start()
    for status in (301, 302, 307, 308):
        registry.overrides = [
            send_body(b"", status=status, Location=f"{other.address}{SUBMISSIONS}")
        ]
        sent = send()
        assert sent.code == 1
        assert "the registry is at another address" in sent.failed
    other.stop()
    assert other.requests == []


def test_an_address_that_would_carry_a_secret_is_refused(send: PushRunner) -> None:
    for url in ("registry.example", "ftp://registry.example", "https://", "file:///etc"):
        assert "begins with https" in send(url=url).failed
    for url in ("https://me:secret@registry.example", "https://a.example/?key=secret"):
        sent = send(url=url)
        assert "the key goes another way" in sent.failed
        assert "secret" not in sent.failed


def test_an_unencrypted_connection_is_reported(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(str(request.url.copy_with(query=None)))
        request.read()
        return httpx.Response(200, json=build_view())

    requests: list[str] = []
    for url, is_warned in (
        ("http://registry.example", True),
        ("http://10.0.0.1/", True),
        ("https://registry.example/city", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
    ):
        list(push_file(url, file, KEY, transport=httpx.MockTransport(answer)))
        assert ("travel unencrypted" in capsys.readouterr().err) == is_warned, url
    assert requests[1:3] == [
        f"http://10.0.0.1{SUBMISSIONS}",
        f"https://registry.example/city{SUBMISSIONS}",
    ]
