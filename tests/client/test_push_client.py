"""The client of a department with a registry that misbehaves.

In every case the file is recorded, or its sender gets an error.
"""

import hashlib
import io
import re
import stat
import sys
import threading
import tracemalloc
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest

from app.client import progress_display
from app.client.http import ClientError
from app.client.push import ApprovalPending, PushOptions, RowsRefused, push_file
from app.client.submission import MAX_BYTES_WITHOUT_KEY_CHECK
from app.jobs.worker import run_waiting_jobs
from app.submissions.processing import queue
from tests.support import submission_files
from tests.support.pauses import replace_pauses
from tests.support.world import World

KEY = "rbk_department_key"
NAME = "019aa5a0-0000-7000-8000-000000000001"
HOME = "/v1/submissions"
LOOK, RESULTS, WORKBOOK = f"{HOME}/{NAME}", f"{HOME}/{NAME}/results", f"{HOME}/{NAME}/refused.xlsx"


class Handler(BaseHTTPRequestHandler):
    """Reads requests for a `Desk`, and sends its answers."""

    desk: "Desk"

    def do_GET(self) -> None:
        self.desk.answer(self)

    def do_POST(self) -> None:
        self.desk.answer(self)

    def log_message(self, *_: object) -> None:
        pass

    def reply(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, short: int = 0
    ) -> None:
        """Answer; the last `short` bytes of the declared length are never sent."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - short])

    def reply_json(self, status: int, content: Any, **headers: str) -> None:
        self.reply(status, orjson.dumps(content), headers)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A closed connection is intended here."""


Act = Callable[[Handler], None]


@dataclass
class Desk:
    """A registry of one submission; `instead` is done first, one for each request."""

    first: dict[str, Any] = field(default_factory=dict)
    later: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    workbook: bytes = b""
    instead: list[Act | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    posted: list[tuple[dict[str, str], dict[str, str], str]] = field(default_factory=list)
    """Query, headers and SHA-256 of every complete upload."""
    look_after: str = ""
    port: int = 0
    _server: Server | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        handler = type("Bound", (Handler,), {"desk": self})
        self._server = Server(("127.0.0.1", self.port), handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
            self._server = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def results(self) -> bytes:
        trailer = {"trailer": {"rows": len(self.refusals), "state": "done"}}
        return b"".join(orjson.dumps(line) + b"\n" for line in [*self.refusals, trailer])

    def answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        self.asked.append(f"{handler.command} {parts.path}")
        instead = self.instead.pop(0) if self.instead else None
        if instead is not None:
            instead(handler)
        elif handler.headers["Authorization"] != f"Bearer {KEY}":
            problem(401, "unauthenticated", "需要有效的接口密钥")(handler)
        else:
            self._truly(handler, parts.path, dict(parse_qsl(parts.query)))

    def _truly(self, handler: Handler, path: str, query: dict[str, str]) -> None:
        match handler.command, path:
            case "POST", "/v1/submissions":
                self._take(handler, query)
            case "GET", "/v1/submissions":
                handler.reply_json(200, {"submissions": [], "next": None})
            case "GET", place if place == LOOK:
                fields = self.later.pop(0) if len(self.later) > 1 else self.later[0]
                after = {"Retry_After": self.look_after} if self.look_after else {}
                handler.reply_json(200, fields, **after)
            case "GET", place if place == RESULTS:
                assert query == {"outcome": "refused"}
                handler.reply(200, self.results())
            case "GET", place if place == WORKBOOK:
                handler.reply(200, self.workbook)
            case unknown:
                raise AssertionError(unknown)

    def _take(self, handler: Handler, query: dict[str, str]) -> None:
        left = int(handler.headers["Content-Length"])
        digest = hashlib.sha256()
        while left and (chunk := handler.rfile.read(min(left, 65536))):
            digest.update(chunk)
            left -= len(chunk)
        assert left == 0
        promised = f"sha-256=:{b64encode(digest.digest()).decode()}:"
        assert handler.headers["Content-Digest"] == promised
        self.posted.append((query, dict(handler.headers), digest.hexdigest()))
        accepted = bool(self.later)
        handler.reply_json(
            202 if accepted else 200, self.first | {"sha256": digest.hexdigest()}, Location=LOOK
        )


def view(state: str = "done", **fields: Any) -> dict[str, Any]:
    """Build the view of a submission; counts among `fields` are its progress."""
    progress = {
        "rows_read": 0,
        "accepted": 0,
        "replayed": 0,
        "refused": 0,
        "corrected": 0,
        "exited": 0,
        "share": None,
        "rows_per_second": None,
        "remaining_seconds": None,
    }
    progress |= {name: fields.pop(name) for name in list(fields) if name in progress}
    plain = {"id": NAME, "state": state, "dry_run": False, "sha256": None, "held_until": None}
    return plain | {"problem": None, "results": None, "progress": progress} | fields


def problem(status: int, code: str, detail: str, *faults: Any, **headers: str) -> Act:
    fields: dict[str, Any] = {"code": code, "detail": detail, "status": status}
    if faults:
        fields |= {"errors": faults, "submission_id": NAME}

    def act(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        handler.reply_json(status, fields, **headers)

    return act


def replying(body: bytes, *, short: int = 0, status: int = 200, **headers: str) -> Act:
    return lambda handler: handler.reply(status, body, headers, short=short)


def hang_up_after(count: int) -> Act:
    """Read this part of the body, then close the connection."""

    def act(handler: Handler) -> None:
        handler.rfile.read(count)

    return act


def refusal(row: int, **fields: Any) -> dict[str, Any]:
    plain = {
        "row": row,
        "source_ref": f"HR-{row}",
        "outcome": "refused",
        "code": "invalid_identifier",
        "pointer": "/subject/identifiers/0/number",
        "column": "统一社会信用代码",
        "sentence": "校验码\u2028不符",
        "sentence_en": "The check digit does not match",
        "errors": [],
    }
    return plain | fields


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk that accepts all ten rows at once."""
    made = Desk(first=view(rows_read=10, accepted=10))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "rows.csv"
    made.write_bytes(b"a,b\n" + b"1,2\n" * 10)
    return made


@dataclass
class Sent:
    """The result of a push."""

    code: int
    lines: list[str]
    failed: str
    err: str
    pauses: list[float]


@pytest.fixture
def send(
    desk: Desk,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Sent]:
    """Push without pausing; `during` is called for every pause."""

    def run(
        path: Path = file,
        *,
        key: str = KEY,
        url: str = "",
        during: Callable[[int], None] = lambda _: None,
        **options: Any,
    ) -> Sent:
        pauses: list[float] = []
        lines: list[str] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            during(len(pauses))

        replace_pauses(monkeypatch, pause)
        capsys.readouterr()
        code, failed = 0, ""
        try:
            lines.extend(push_file(url or desk.address, path, key, **options))
        except ClientError as ended:
            code, failed = ended.exit_code, str(ended)
        err = capsys.readouterr().err
        assert KEY not in err + failed + "".join(lines)
        assert not list(path.parent.glob("*.part"))
        return Sent(code, lines, failed, err, pauses)

    return run


Send = Callable[..., Sent]


# --- the request ---------------------------------------------------------------


def test_a_small_file_is_answered_at_once(desk: Desk, file: Path, send: Send) -> None:
    sent = send()
    assert (sent.code, sent.failed, sent.pauses, sent.err) == (0, "", [], "")
    others = " · replayed 已有 0 · corrected 更正 0 · exited 退出 0 · refused 拒绝 0"
    assert sent.lines == [
        f"submission {NAME} · done 已完成",
        f"submission {NAME} · done 已完成 · rows 行 10 · accepted 接受 10{others}",
    ]
    [(query, headers, sha256)] = desk.posted
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
    assert desk.asked == [f"POST {HOME}"]


def test_every_wish_is_passed_on(desk: Desk, send: Send) -> None:
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
    desk.first |= {"dry_run": True}
    sent = send(options=wishes, language="en")
    [(query, headers, _)] = desk.posted
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
def test_the_suffix_says_what_it_is(
    desk: Desk, tmp_path: Path, send: Send, name: str, media_type: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    assert send(path).code == 0
    assert desk.posted[0][1]["Content-Type"] == media_type


def test_a_large_file_goes_through_little_memory(desk: Desk, tmp_path: Path, send: Send) -> None:
    path = tmp_path / "large.ndjson"
    with path.open("wb") as opened:
        opened.truncate(96 * 1024 * 1024)
    desk.instead = [None, hang_up_after(500_000)]
    tracemalloc.start()
    sent = send(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (sent.code, len(desk.posted)) == (0, 1)
    assert peak < 6 * 1024 * 1024, peak
    assert desk.asked == [f"GET {HOME}", f"POST {HOME}", f"POST {HOME}"]


def test_a_file_that_changes_is_not_sent(desk: Desk, file: Path, send: Send) -> None:
    def grow(_: int) -> None:
        with file.open("ab") as opened:
            opened.write(b"3,4\n")

    desk.instead = [problem(503, "busy", "稍后")]
    sent = send(during=grow)
    assert (sent.code, desk.posted) == (1, [])
    assert "is being changed" in sent.failed


def test_a_file_replaced_meanwhile_is_another_delivery(desk: Desk, file: Path, send: Send) -> None:
    first = file.read_bytes()

    def replace(_: int) -> None:
        other = file.with_name("other")
        other.write_bytes(b"another")
        other.rename(file)

    desk.instead = [problem(503, "busy", "稍后")]
    assert send(during=replace).code == 0
    assert desk.posted[0][2] == hashlib.sha256(first).hexdigest()


# --- bad connections --------------------------------------------------------------


def test_a_connection_that_breaks_during_the_upload_is_no_matter(
    desk: Desk, tmp_path: Path, send: Send
) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(b"{}\n" * 300_000)  # more than the buffers of a connection can hold
    desk.instead = [hang_up_after(100_000), hang_up_after(0), hang_up_after(900_000)]
    sent = send(path)
    assert (sent.code, sent.pauses) == (0, [1, 2, 4])
    assert len(desk.posted) == 1
    assert sent.err.count("again in") == 3


def test_it_waits_for_the_requested_time(desk: Desk, send: Send) -> None:
    desk.instead = [
        problem(503, "busy", "写入繁忙", Retry_After="7"),
        problem(429, "too_many_attempts", "请稍后", Retry_After="1"),
        replying(b"<html>", status=502),
        problem(503, "busy", "x", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        problem(504, "x", "x", Retry_After="soon"),
    ]
    sent = send()
    assert (sent.code, sent.pauses) == (0, [7, 2, 4, 8, 16])
    assert "503 busy: 写入繁忙; again in 7 s / 7 秒后重试" in sent.err
    assert "502 Bad Gateway; again in 4 s" in sent.err


def test_an_instant_to_come_back_at_is_honoured(desk: Desk, send: Send) -> None:
    desk.instead = [problem(503, "busy", "x", Retry_After="Thu, 01 Jan 2099 00:00:00 GMT")]
    sent = send()
    assert (sent.code, sent.pauses) == (1, [])  # longer than every timeout
    assert sent.failed == "the registry does not answer / 平台无应答: 503 busy: x"


def test_patience_has_an_end(desk: Desk, send: Send) -> None:
    desk.stop()
    sent = send()
    assert sent.code == 1
    assert sent.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert sent.failed.startswith("the registry does not answer / 平台无应答: ")
    assert sent.lines == []
    assert send(max_wait_seconds=0).pauses == []


def test_a_server_that_comes_late_is_waited_for(desk: Desk, send: Send) -> None:
    desk.stop()
    sent = send(during=lambda count: desk.start() if count == 3 else None)
    assert (sent.code, sent.pauses) == (0, [1, 2, 4])


# --- work in the background -------------------------------------------------------


def test_it_looks_until_the_work_is_done(
    desk: Desk, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_display, "PROGRESS_INTERVAL_SECONDS", 0)
    desk.first = view("queued")
    working = view(
        "running",
        rows_read=1200,
        accepted=1100,
        refused=0,
        share=0.25,
        rows_per_second=401.6,
        remaining_seconds=62.4,
    )
    desk.later = [view("queued"), working, working, working, working, view(accepted=9)]
    sent = send()
    assert (sent.code, sent.pauses) == (0, [0.5, 1, 2, 4, 5, 5])
    assert sent.lines[0] == f"submission {NAME} · queued 排队中"
    assert "accepted 接受 9" in sent.lines[1]
    assert (
        "redblack push: at work 处理: read 已读 1,200 · accepted 接受 1,100 · refused 拒绝 0"
        " · 402 rows/s 行/秒 · left 剩余 1:02\n"
    ) in sent.err
    assert "reading 读取: 0.0 / 0.0 MB" in sent.err
    assert "sending 上传: 0.0 / 0.0 MB" in sent.err


def test_it_looks_as_often_as_it_is_asked_to(desk: Desk, send: Send) -> None:
    desk.first, desk.look_after = view("receiving"), "3"
    desk.later = [view("running"), view("running"), view()]
    assert send().pauses == [0.5, 3, 3]
    desk.look_after = "7200"
    desk.later = [view("running"), view()]
    assert send().pauses == [0.5, 60]


def test_progress_is_printed_only_at_intervals(desk: Desk, send: Send) -> None:
    desk.first = view("queued")
    desk.later = [*[view("running")] * 50, view()]
    assert send().err == ""


def test_a_restart_in_the_middle_is_sat_out(desk: Desk, send: Send) -> None:
    desk.first = view("running")
    desk.later = [view("running"), view("running"), view(accepted=10)]

    def restart(count: int) -> None:
        if count == 2:
            desk.stop()
        elif count == 5:
            desk.start()
            desk.instead = [problem(503, "not_ready", "启动中", Retry_After="2")]

    sent = send(during=restart)
    assert sent.code == 0
    assert sent.pauses == [0.5, 1, 1, 2, 4, 8, 2]
    assert len(desk.posted) == 1  # the client continues by itself; nothing is sent again
    assert sent.lines[-1].count("accepted 接受 10") == 1


def test_a_submission_that_the_registry_lost_ends_it(desk: Desk, send: Send) -> None:
    desk.first, desk.later = view("queued"), [view()]
    desk.instead = [None, problem(404, "not_found", "没有该批次")]
    sent = send()
    assert sent.code == 1
    assert sent.failed == "the registry says / 平台答复: 404 not_found: 没有该批次"


# --- rows that were refused --------------------------------------------------------


def test_refused_rows_are_printed_and_their_answers_kept_unchanged(
    desk: Desk, tmp_path: Path, send: Send
) -> None:
    desk.first = view(rows_read=10, accepted=8, refused=2)
    desk.refusals = [
        refusal(3),
        refusal(5, code="missing", column=None, pointer="/decided_on", sentence="缺少\x1b[2J此项"),
    ]
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept)
    assert (sent.code, desk.asked[1:]) == (3, [f"GET {RESULTS}"])
    assert sent.failed == "2 of 10 rows were refused / 共 10 行，拒绝 2 行"
    assert kept.read_bytes() == desk.results()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert sent.err.splitlines() == [
        f"redblack push: {kept}: the answers to refused rows / 被拒绝行的答复",
        "redblack push: row 3 · 统一社会信用代码 · 校验码 不符 (invalid_identifier)",
        "redblack push: row 5 · /decided_on · 缺少 [2J此项 (missing)",
    ]
    sent = send(language="en")
    assert (sent.code, sent.err.count("The check digit does not match")) == (3, 2)


def test_the_first_twenty_are_shown(desk: Desk, tmp_path: Path, send: Send) -> None:
    desk.first = view(rows_read=90, refused=90)
    desk.refusals = [refusal(row) for row in range(2, 92)]
    kept = tmp_path / "refused.ndjson"
    for options, where in (
        ({}, "… and 70 more / 另有 70 行; --results FILE keeps them all / 全部答复"),
        ({"results": kept}, f"… and 70 more / 另有 70 行: {kept}"),
    ):
        sent = send(**options)
        assert sent.code == 3
        assert re.findall(r"row (\d+) ", sent.err) == [str(row) for row in range(2, 22)]
        assert where in sent.err
    assert kept.read_bytes() == desk.results()
    desk.first = view(rows_read=90, refused=20)
    desk.refusals = desk.refusals[:20]
    assert "more" not in send().err


def test_where_nothing_was_refused_the_results_say_so(
    desk: Desk, tmp_path: Path, send: Send
) -> None:
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept, refused_workbook=tmp_path / "refused.xlsx")
    assert (sent.code, desk.asked[1:]) == (0, [f"GET {RESULTS}"])
    assert kept.read_bytes() == desk.results()
    assert not (tmp_path / "refused.xlsx").exists()


def test_results_without_their_trailer_are_fetched_again(
    desk: Desk, tmp_path: Path, send: Send
) -> None:
    desk.first = view(rows_read=10, refused=3)
    desk.refusals = [refusal(row) for row in (2, 3, 4)]
    whole = desk.results()
    lines = whole.splitlines(keepends=True)
    broken: list[Act] = [
        replying(b"".join(lines[:2])),  # a valid end, but too early
        replying(whole[:-1]),
        replying(whole, short=len(lines[-1]) + 9),
        replying(b""),
        problem(503, "busy", "稍后"),
    ]
    for kept in (tmp_path / "refused.ndjson", None):
        desk.instead = [None, *broken]
        sent = send(results=kept)
        assert (sent.code, sent.pauses) == (3, [1, 2, 4, 8, 16])
        assert re.findall(r"row (\d+) ", sent.err) == ["2", "3", "4"]
        assert sent.err.count("broke off before their trailer") == 3
    assert (tmp_path / "refused.ndjson").read_bytes() == whole


def test_results_that_never_come_whole_leave_nothing_behind(
    desk: Desk, tmp_path: Path, send: Send
) -> None:
    desk.first = view(rows_read=10, refused=1)
    desk.instead = [None] + [replying(b'{"row":1}\n')] * 20
    kept = tmp_path / "refused.ndjson"
    sent = send(results=kept)
    assert sent.code == 1
    assert sent.failed.endswith("the results broke off before their trailer")
    assert not kept.exists()
    assert "refused 拒绝 1" in sent.lines[-1]  # the recorded rows are still printed


def test_the_refused_rows_come_as_a_workbook(desk: Desk, tmp_path: Path, send: Send) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "0" * 9000)
    desk.workbook = buffer.getvalue()
    desk.first = view(rows_read=10, refused=1)
    desk.refusals = [refusal(3)]
    kept = tmp_path / "退回.xlsx"
    desk.instead = [
        None,
        None,
        replying(desk.workbook[:-30]),
        replying(desk.workbook, short=30),
    ]
    sent = send(refused_workbook=kept)
    assert (sent.code, sent.pauses) == (3, [1, 2])
    assert kept.read_bytes() == desk.workbook
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert desk.asked[1:] == [f"GET {RESULTS}", *[f"GET {WORKBOOK}"] * 3]


def test_files_that_would_be_written_are_looked_at_first(
    desk: Desk, file: Path, tmp_path: Path, send: Send
) -> None:
    lines = tmp_path / "rows.ndjson"
    lines.write_bytes(b"{}\n")
    new = tmp_path / "new"
    for options, message in (
        ({"results": file}, "exists; name another file"),
        ({"refused_workbook": file}, "exists; name another file"),
        ({"results": tmp_path / "nowhere" / "x"}, "is no directory"),
        ({"results": new, "refused_workbook": new}, "a file each"),
        ({"path": lines, "refused_workbook": new}, "made for .csv and .xlsx"),
    ):
        sent = send(**options)
        assert (sent.code, message in sent.failed) == (1, True), sent.failed
    assert desk.asked == []


# --- exit codes ------------------------------------------------------------------


def test_a_wrong_key_ends_it_at_once(desk: Desk, tmp_path: Path, send: Send) -> None:
    sent = send(key="rbk_wrong")
    assert (sent.code, sent.pauses) == (1, [])
    assert sent.failed == "the registry says / 平台答复: 401 unauthenticated: 需要有效的接口密钥"
    assert "rbk_wrong" not in sent.failed + sent.err
    desk.asked.clear()
    large = tmp_path / "large.csv"
    large.write_bytes(bytes(MAX_BYTES_WITHOUT_KEY_CHECK + 1))
    assert send(large, key="rbk_wrong").code == 1
    assert desk.asked == [f"GET {HOME}"]  # no part was sent


def test_a_key_without_read_permission_may_send(desk: Desk, tmp_path: Path, send: Send) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(bytes(MAX_BYTES_WITHOUT_KEY_CHECK + 1))
    desk.instead = [problem(503, "busy", "x"), problem(403, "forbidden", "无此权限")]
    assert send(large).code == 0
    assert len(desk.posted) == 1


def test_a_refusal_says_the_sentence_and_the_first_faults(desk: Desk, send: Send) -> None:
    faults = [
        {"pointer": f"/columns/{n}", "code": "unknown_column", "detail": "没有该列"}
        for n in range(7)
    ]
    desk.instead = [problem(422, "unreadable_file", "文件无法读取", *faults)]
    sent = send()
    assert (sent.code, sent.pauses) == (1, [])
    assert sent.failed.splitlines() == [
        "the registry says / 平台答复: 422 unreadable_file: 文件无法读取",
        *[f"  /columns/{n}: 没有该列 (unknown_column)" for n in range(5)],
        "  … 7",
        f"  submission {NAME}",
    ]
    for status in (400, 403, 409, 413, 415, 500):
        desk.instead = [problem(status, "so_it_is", "如此")]
        sent = send()
        assert (sent.code, sent.pauses) == (1, [])
        assert f"{status} so_it_is: 如此" in sent.failed


WHY = {
    "code": "unreadable_file",
    "detail": "文件无法读取",
    "detail_en": "It cannot be read",
    "errors": [],
}


def test_a_refusal_in_the_background_is_printed_in_both_languages(desk: Desk, send: Send) -> None:
    sentences = {"sentence": "没有表头", "sentence_en": "No header"}
    fault = {"pointer": "", "code": "no_header", **sentences}
    desk.first = view("queued")
    desk.later = [view("refused", problem=WHY | {"errors": [fault]})]
    sent = send(results=Path("never.ndjson"))
    assert sent.code == 1
    prefix = f"submission {NAME} was refused as a whole / 整体退回"
    assert sent.failed.splitlines() == [
        f"{prefix}: unreadable_file: It cannot be read / 文件无法读取",
        "  : No header / 没有表头 (no_header)",
    ]
    assert not Path("never.ndjson").exists()


def test_all_or_nothing_prints_the_rows_that_prevented_it(desk: Desk, send: Send) -> None:
    desk.first = view("refused", rows_read=10, refused=1, problem=WHY)
    desk.refusals = [refusal(4)]
    sent = send(options=PushOptions(commit="all_or_nothing"))
    assert sent.code == 1
    assert "row 4 · 统一社会信用代码" in sent.err


@pytest.mark.parametrize(
    ("last_view", "code", "message"),
    [
        (view("held", held_until="2026-11-24T02:00:00Z", refused=3), 4, "until 2026-11-24T02:00:"),
        (view("held"), 4, "a second person's approval / "),
        (view("stopped", rows_read=9, refused=1), 3, "1 of 9 rows"),
        (view("stopped"), 1, "is stopped 已中止"),
        (view("done", problem=WHY), 1, "已完成，但: unreadable_file: It cannot be read / 文件"),
        (view("lapsed", refused=1), 1, "is lapsed 逾期未核准"),
        (view("reversed"), 1, "is reversed 已整体撤回"),
        (view("refused"), 1, "does not say why"),
        (view("done", dry_run=True, rows_read=3, refused=1), 3, "1 of 3 rows"),
        (view("done", dry_run=True), 0, ""),
        (view("frozen"), 1, "newer than this client"),
        (view(id="../../keys"), 1, "newer than this client"),
    ],
)
def test_every_end_has_its_code(
    desk: Desk, send: Send, last_view: dict[str, Any], code: int, message: str
) -> None:
    desk.first, desk.later = view("queued"), [view("reversing"), last_view]
    desk.refusals = [refusal(2)]
    sent = send()
    assert sent.code == code
    assert message in sent.failed
    assert (f"GET {RESULTS}" in desk.asked) == (code == 3)


@pytest.mark.parametrize("at_once", [1_000_000, 0], ids=["at once", "in the background"])
def test_a_registry_is_understood_whatever_it_makes_of_a_file(
    world: World, tmp_path: Path, send: Send, at_once: int
) -> None:
    submission_files.change_settings(
        world, submission_at_once_bytes=at_once, replace_brake_entries=2
    )
    key = world.api().headers["Authorization"].removeprefix("Bearer ")
    path = tmp_path / "sent.csv"

    def push(*bodies: dict[str, Any], **wishes: Any) -> Sent:
        path.write_bytes(
            submission_files.format_csv([submission_files.build_cells(body) for body in bodies])
        )
        return send(
            path,
            key=key,
            url=world.address,
            during=lambda _: run_waiting_jobs(world.registry, [queue.SubmissionQueue()]),
            options=PushOptions(list_type=submission_files.BLACK_LIST_TYPE, **wishes),
        )

    done = push(*submission_files.build_rows(8))
    assert (done.code, done.failed, done.err) == (0, "", "")
    assert "done 已完成 · rows 行 8 · accepted 接受 8" in done.lines[1]
    some = push(*submission_files.build_rows(1), submission_files.build_row(9, severity="grave"))
    assert (some.code, some.failed) == (3, "1 of 2 rows were refused / 共 2 行，拒绝 1 行")
    assert "row 3 · 失信程度 · " in some.err

    whole = {"mode": "replace", "department": "human_resources", "reason": "年度更新", "rows": 4}
    held = push(*submission_files.build_rows(4), **whole)
    [pending] = world.api().get(HOME, params={"state": "held"}).json()["submissions"]
    assert held.code == 4
    assert f"submission {pending['id']} is held" in held.failed
    assert f" until {pending['held_until']} / 截止 {pending['held_until']}" in held.failed
    assert pending["held_until"].startswith("2026-11-")

    short = push(*submission_files.build_rows(2), rows=3)
    assert (short.code, "已完成，但: row_count_differs: " in short.failed) == (1, True)
    path.write_bytes("甲,乙\n1,2\n".encode())
    refused = send(
        path,
        key=key,
        url=world.address,
        during=lambda _: run_waiting_jobs(world.registry, [queue.SubmissionQueue()]),
    )
    assert (refused.code, len(refused.lines)) == (1, 0 if at_once else 2)
    assert "no_header_row: " in refused.failed
    assert "submission " in refused.failed
    assert "前 10 行中未找到表头" in refused.failed
    # A problem document has one language, a submission both.
    assert ("No row of headings" in refused.failed) == (not at_once)


def test_each_code_is_an_error_of_its_own() -> None:
    assert (ClientError.exit_code, RowsRefused.exit_code, ApprovalPending.exit_code) == (1, 3, 4)


def test_another_server_is_reported_as_no_registry(desk: Desk, send: Send) -> None:
    for body in (b"<html>", b"[]", b"{}", b'{"id":1,"state":"done","progress":{"refused":"x"}}'):
        desk.instead = [replying(body)]
        sent = send()
        assert (sent.code, sent.failed) == (1, "what answers is no registry / 该地址不是名单平台")


def test_other_bytes_than_were_sent_are_noticed(desk: Desk, send: Send) -> None:
    desk.instead = [replying(orjson.dumps(view(sha256="00" * 32)))]
    sent = send()
    assert (sent.code, "other bytes arrived" in sent.failed) == (1, True)


# --- addresses -------------------------------------------------------------------


def test_the_key_is_for_one_address_alone(desk: Desk, send: Send) -> None:
    other = Desk(first=view())
    other.start()
    for status in (301, 302, 307, 308):
        desk.instead = [replying(b"", status=status, Location=f"{other.address}{HOME}")]
        sent = send()
        assert sent.code == 1
        assert "the registry is at another address" in sent.failed
    other.stop()
    assert other.asked == []


def test_an_address_that_would_carry_a_secret_is_refused(send: Send) -> None:
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
        asked.append(str(request.url.copy_with(query=None)))
        request.read()
        return httpx.Response(200, json=view())

    asked: list[str] = []
    for url, is_warned in (
        ("http://registry.example", True),
        ("http://10.0.0.1/", True),
        ("https://registry.example/city", False),
        ("http://localhost:8000", False),
        ("http://[::1]:8000", False),
    ):
        list(push_file(url, file, KEY, transport=httpx.MockTransport(answer)))
        assert ("travel unencrypted" in capsys.readouterr().err) == is_warned, url
    assert asked[1:3] == [f"http://10.0.0.1{HOME}", f"https://registry.example/city{HOME}"]


# --- a terminal --------------------------------------------------------------------


def test_on_a_terminal_there_is_a_bar(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    desk.first = view("queued")
    working = view(
        "running", rows_read=7, share=0.7, rows_per_second=1234.5, remaining_seconds=7262
    )
    desk.later = [working, view(rows_read=10, refused=1)]
    desk.refusals = [refusal(3, column="[red]列")]
    desk.instead = [problem(503, "busy", "[bold]写入繁忙"), None]
    replace_pauses(monkeypatch, lambda _: None)
    lines = push_file(desk.address, file, KEY)
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
