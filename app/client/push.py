"""Push: send a file of entries to a registry and wait until it is processed.

It uses no code of the registry, so that a reader can write a client of their own:

1. The file goes unchanged to `POST /v1/submissions`, streamed, with its SHA-256 in `Content-
Digest`,
   so that a damaged file is never recorded.
2. On no answer, 429 or 502 to 504 the client sends everything again, after `Retry-After` or a
   growing pause. This is safe: a recorded row is answered as `replayed`, and an unfinished
   submission of the same bytes is joined.
3. 202 is not the end: the client reads `GET /v1/submissions/{id}` until the state is final. If the
   registry is restarted meanwhile, both the submission and the client continue.
4. `GET /v1/submissions/{id}/results?outcome=refused` sends one line per refused row, and then
   `{"trailer": ...}`. Without that line the answer was cut off, and the client reads it again.

Exit codes: 0 everything was recorded (or a dry run refused nothing), 1 the push cannot continue or
the file was refused as a whole, 3 some rows were refused, 4 the submission waits for approval by a
second person; 2 is a usage error.
"""

import hashlib
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, sleep
from typing import Any, BinaryIO, ClassVar, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit
from zipfile import is_zipfile

import httpx
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

MEDIA_TYPES = {
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".json": "application/json",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
DEFAULT_MEDIA_TYPE = "application/octet-stream"
"""For any other suffix: the registry detects the format."""
TABLE_SUFFIXES = {".csv", ".xlsx"}

CHUNK_BYTES = 256 * 1024
MAX_BYTES_WITHOUT_KEY_CHECK = 1024 * 1024
"""Bytes up to which a file is sent without trying the key first."""
TIMEOUTS = httpx.Timeout(120, connect=10)
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 1.0, 60.0
MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.5, 5.0
"""Seconds between polls of a submission, unless the registry names a time."""
MAX_SHOWN_REFUSALS, MAX_SHOWN_FAULTS = 20, 5
PROGRESS_INTERVAL_SECONDS = 15.0
"""Seconds between two lines of progress where stderr is no terminal."""

RETRYABLE_STATUS_CODES = {408, 429, 502, 503, 504}
"""Statuses after which the same request may succeed; 408 comes from a proxy."""
UNFINISHED_STATES = {"receiving", "queued", "running", "reversing"}
STATE_LABELS = {
    "receiving": "接收中",
    "queued": "排队中",
    "running": "处理中",
    "reversing": "撤回中",
    "held": "待另一人核准",
    "done": "已完成",
    "stopped": "已中止",
    "refused": "整体退回",
    "lapsed": "逾期未核准",
    "reversed": "已整体撤回",
}

T = TypeVar("T")


class PushError(Exception):
    """The push cannot continue; the message has the reason, `code` is the exit code."""

    exit_code: ClassVar[int] = 1


class RowsRefused(PushError):
    """The file was worked through, and some of its rows were refused."""

    exit_code = 3


class ApprovalPending(PushError):
    """Nothing is recorded until a second person approves."""

    exit_code = 4


class _RetryablePushError(Exception):
    """A new attempt is worth making, after so many seconds at the earliest."""

    def __init__(self, message: str, seconds: float = 0) -> None:
        super().__init__(message)
        self.seconds = seconds


class PushOptions(NamedTuple):
    """Options of the submission; the registry chooses a default for None."""

    list_type: str | None = None
    department: str | None = None
    dry_run: bool = False
    on_error: Literal["continue", "stop"] = "continue"
    commit: Literal["valid_rows", "all_or_nothing"] = "valid_rows"
    mode: Literal["append", "replace"] = "append"
    reason: str | None = None
    rows: int | None = None

    @property
    def query_parameters(self) -> dict[str, str | int | bool]:
        """As the address carries them."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class SubmissionProgress(NamedTuple):
    """The state of a submission; `again` is the time of the next poll, in seconds."""

    id: str
    state: str
    dry_run: bool
    counts: dict[str, int]
    completed_share: float | None
    rows_per_second: float | None
    remaining_seconds: float | None
    problem: str | None
    held_until: str | None
    sha256: str | None
    poll_after_seconds: float

    @property
    def refused_count(self) -> int:
        """The number of refused rows."""
        return self.counts["refused"]

    @property
    def progress_text(self) -> str:
        """A description of the progress."""
        parts = [
            f"read 已读 {self.counts['rows_read']:,}",
            f"accepted 接受 {self.counts['accepted']:,}",
            f"refused 拒绝 {self.refused_count:,}",
        ]
        if self.rows_per_second is not None:
            parts.append(f"{self.rows_per_second:,.0f} rows/s 行/秒")
        if self.remaining_seconds is not None:
            minutes, seconds = divmod(round(self.remaining_seconds), 60)
            parts.append(f"left 剩余 {minutes}:{seconds:02}")
        return " · ".join(parts)

    @property
    def summary(self) -> str:
        """A description of the result."""
        labels = {
            "rows_read": "rows 行",
            "accepted": "accepted 接受",
            "replayed": "replayed 已有",
            "corrected": "corrected 更正",
            "exited": "exited 退出",
            "refused": "refused 拒绝",
        }
        parts = [f"submission {self.id}", f"{self.state} {STATE_LABELS[self.state]}"]
        parts += [f"{words} {self.counts[name]:,}" for name, words in labels.items()]
        if self.dry_run:
            parts.append("dry run, nothing was recorded 试运行，未入库")
        return " · ".join(parts)


def push_file(
    url: str,
    file: Path,
    key: str,
    *,
    options: PushOptions | None = None,
    results: Path | None = None,
    refused_workbook: Path | None = None,
    max_wait_seconds: float = 300,
    language: Literal["zh", "en"] = "zh",
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = sleep,
) -> Iterator[str]:
    """Send a file and wait until it is processed; yield lines to print.

    `results` is the file for the results of refused rows, `refused_workbook` the file for the
    refused rows of a table, marked (if there are any). Neither may exist before, and neither
    appears before it is complete, or while the submission is held. `max_wait_seconds` limits the
    wait for one answer. `language` is the language of sentences.

    Raises:
        PushError: the push cannot continue, or the file was refused as a whole.
        RowsRefused: some rows were refused; the first of them were printed on standard error.
        ApprovalPending: a second person decides.
    """
    address = _validate_address(url)
    _validate_targets(file, results, refused_workbook)
    display = _ProgressDisplay()
    if urlsplit(address).scheme == "http" and not _is_loopback(address):
        display.print_line(
            "the key and the file travel unencrypted; use https:// / 密钥和文件未加密传输"
        )
    preferred, other = ("zh-CN, zh", "en") if language == "zh" else ("en", "zh")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": f"{preferred}, {other};q=0.5"}
    # One handle for all attempts: another file under this name is another delivery.
    with (
        file.open("rb") as source,
        httpx.Client(
            base_url=address, headers=headers, timeout=TIMEOUTS, transport=transport
        ) as client,
    ):
        registry = _PushClient(client, max_wait_seconds, sleep, display)
        submission = registry.send_file(
            _SourceFile(source, file, display), options or PushOptions()
        )
        yield f"submission {submission.id} · {submission.state} {STATE_LABELS[submission.state]}"
        submission = registry.wait_until_settled(submission)
        yield submission.summary
        if submission.state == "done" or (
            submission.refused_count and submission.state in {"stopped", "refused"}
        ):
            _report_refusals(registry, submission, results, refused_workbook, display, language)
    _raise_unless_done(submission)


def _report_refusals(
    registry: "_PushClient",
    submission: SubmissionProgress,
    results: Path | None,
    workbook: Path | None,
    display: "_ProgressDisplay",
    language: str,
) -> None:
    if results is not None:
        with _open_draft(results) as draft:
            refusals = registry.read_refusals(submission, draft)
        display.print_line(f"{results}: the answers to refused rows / 被拒绝行的答复")
    else:
        refusals = registry.read_refusals(submission, None) if submission.refused_count else []
    for refusal in refusals:
        display.print_line(_format_refusal(refusal, language))
    if submission.refused_count > len(refusals):
        more = submission.refused_count - len(refusals)
        display.print_line(
            f"… and {more:,} more / 另有 {more:,} 行" + _describe_results_location(results)
        )
    if workbook is not None and submission.refused_count:
        with _open_draft(workbook) as draft:
            registry.save_refused_workbook(submission, draft)
        display.print_line(f"{workbook}: the refused rows, marked / 被拒绝的行（已标注）")


def _raise_unless_done(submission: SubmissionProgress) -> None:
    match submission.state:
        case "held":
            until = (
                f" until {submission.held_until} / 截止 {submission.held_until}"
                if submission.held_until
                else ""
            )
            raise ApprovalPending(
                f"submission {submission.id} is held for a second person's approval{until}"
                " / 变动较大，待另一人核准后生效"
            )
        case "done" | "stopped" if submission.refused_count:
            reason = f"\n  {submission.problem}" if submission.problem else ""
            raise RowsRefused(
                f"{submission.refused_count:,} of {submission.counts['rows_read']:,} rows were"
                f" refused / 共 {submission.counts['rows_read']:,} 行，"
                f"拒绝 {submission.refused_count:,} 行{reason}"
            )
        case "done" if submission.problem:
            raise PushError(
                f"submission {submission.id} is done, but / 已完成，但: {submission.problem}"
            )
        case "done":
            return
        case "refused":
            reason = submission.problem or "the registry does not say why / 平台未说明原因"
            raise PushError(
                f"submission {submission.id} was refused as a whole / 整体退回: {reason}"
            )
        case state:
            reason = f": {submission.problem}" if submission.problem else ""
            raise PushError(f"submission {submission.id} is {state} {STATE_LABELS[state]}{reason}")


class _PushClient:
    """The registry's side: asks, and asks again while that may help."""

    def __init__(
        self,
        client: httpx.Client,
        max_wait_seconds: float,
        sleep: Callable[[float], None],
        display: "_ProgressDisplay",
    ) -> None:
        self._client = client
        self._max_wait_seconds = max_wait_seconds
        self._sleep = sleep
        self._display = display

    def send_file(self, source: "_SourceFile", options: PushOptions) -> SubmissionProgress:
        """Bring the file there, once at least; it is the registry's from then on."""
        if source.size > MAX_BYTES_WITHOUT_KEY_CHECK:
            self._retry(self._check_key)
        headers = {
            "Content-Type": source.media_type,
            "Content-Length": str(source.size),
            "Content-Digest": f"sha-256=:{b64encode(source.sha256).decode()}:",
        }

        def attempt() -> SubmissionProgress:
            answer = self._client.post(
                "/v1/submissions",
                params=options.query_parameters,
                content=source.read_chunks(self._display),
                headers=headers,
            )
            _raise_for_status(answer)
            return _parse_submission(answer)

        with self._display.show_bar("sending 上传"):
            submission = self._retry(attempt)
        if submission.sha256 is not None and submission.sha256 != source.sha256.hex():
            raise PushError("other bytes arrived than were sent / 平台收到的文件与原文件不符")
        return submission

    def wait_until_settled(self, submission: SubmissionProgress) -> SubmissionProgress:
        """Wait until the state is one that lasts, or that a person must change."""
        pause = MIN_POLL_SECONDS
        with self._display.show_bar("at work 处理"):
            while submission.state in UNFINISHED_STATES:
                self._display.update(submission.completed_share, submission.progress_text)
                self._sleep(min(submission.poll_after_seconds or pause, MAX_PAUSE_SECONDS))
                pause = min(2 * pause, MAX_POLL_SECONDS)
                submission = self._retry(partial(self._read_submission, submission.id))
        return submission

    def read_refusals(
        self, submission: SubmissionProgress, draft: BinaryIO | None
    ) -> list[dict[str, Any]]:
        """The first answers to refused rows; all of them go into the draft, as they came."""

        def attempt() -> list[dict[str, Any]]:
            with self._stream(f"{submission.id}/results", {"outcome": "refused"}) as chunks:
                return _parse_refusals(chunks, draft)

        return self._retry(attempt)

    def save_refused_workbook(self, submission: SubmissionProgress, draft: BinaryIO) -> None:
        """The refused rows as a workbook, into the draft."""

        def attempt() -> None:
            with self._stream(f"{submission.id}/refused.xlsx", {}) as chunks:
                _clear_draft(draft)
                draft.writelines(chunks)
                draft.flush()
            if not is_zipfile(draft):  # a workbook needs all of its bytes
                raise _RetryablePushError("the workbook broke off")

        self._retry(attempt)

    def _check_key(self) -> None:
        # A registry that hangs up on a large upload may not get its 401 across.
        answer = self._client.get("/v1/submissions", params={"limit": 1})
        if (
            answer.status_code == httpx.codes.UNAUTHORIZED
            or answer.status_code in RETRYABLE_STATUS_CODES
        ):
            _raise_for_status(answer)

    def _read_submission(self, submission_id: str) -> SubmissionProgress:
        answer = self._client.get(f"/v1/submissions/{submission_id}")
        _raise_for_status(answer)
        return _parse_submission(answer)

    @contextmanager
    def _stream(self, path: str, query: dict[str, str]) -> Iterator[Iterator[bytes]]:
        with self._client.stream("GET", f"/v1/submissions/{path}", params=query) as answer:
            _raise_for_status(answer)
            yield answer.iter_bytes()

    def _retry(self, attempt: Callable[[], T]) -> T:
        waited, pause = 0.0, MIN_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except (httpx.RequestError, _RetryablePushError) as error:
                seconds = max(pause, getattr(error, "seconds", 0))
                waited += seconds
                reason = str(error) or type(error).__name__
                if waited > self._max_wait_seconds:
                    raise PushError(
                        f"the registry does not answer / 平台无应答: {reason}"
                    ) from error
            self._display.print_line(f"{reason}; again in {seconds:g} s / {seconds:g} 秒后重试")
            self._sleep(seconds)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)


class _SourceFile:
    """The file on disk: read once for its hash, and again from its start with every attempt."""

    def __init__(self, source: BinaryIO, file: Path, display: "_ProgressDisplay") -> None:
        self._source = source
        self._file = file
        self._stamp = self._read_stamp()
        self.size = self._stamp[0]
        self.media_type = MEDIA_TYPES.get(file.suffix.lower(), DEFAULT_MEDIA_TYPE)
        digest = hashlib.sha256()
        with display.show_bar("reading 读取"):
            for chunk in self.read_chunks(display):
                digest.update(chunk)
        self.sha256 = digest.digest()

    def read_chunks(self, display: "_ProgressDisplay") -> Iterator[bytes]:
        """All of it, never much at once."""
        self._source.seek(0)
        sent_bytes = 0
        while chunk := self._source.read(CHUNK_BYTES):
            self._require_unchanged()
            sent_bytes += len(chunk)
            share = sent_bytes / self.size if self.size else None
            display.update(share, f"{sent_bytes / 1e6:,.1f} / {self.size / 1e6:,.1f} MB")
            yield chunk
        self._require_unchanged()

    def _read_stamp(self) -> tuple[int, int]:
        stat = os.fstat(self._source.fileno())
        return stat.st_size, stat.st_mtime_ns

    def _require_unchanged(self) -> None:
        # What was hashed and what is sent must be one file, else the registry refuses it anyway.
        if self._read_stamp() != self._stamp:
            raise PushError(
                f"{self._file} is being changed; send it when it is finished / 文件正在被修改"
            )


class _ProgressDisplay:
    """Progress on standard error: a bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._progress: Progress | None = None
        self._activity = ""
        self._last_shown_at = 0.0

    @contextmanager
    def show_bar(self, activity: str) -> Iterator[None]:
        """Show one piece of work from its beginning to its end."""
        self._activity, self._last_shown_at = activity, monotonic()
        if not self._is_terminal:
            yield
            return
        progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=12)),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TextColumn("{task.fields[said]}", table_column=Column(ratio=1, overflow="fold")),
            expand=True,  # on a narrow terminal the words take a second line
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # what is printed there stays there
            redirect_stderr=False,
        )
        progress.add_task(activity, total=None, said="")
        try:
            with progress:
                self._progress = progress
                yield
        finally:
            self._progress = None

    def update(self, completed_share: float | None, text: str) -> None:
        """The completed share (1 at the end) if known, and a description."""
        if self._progress is not None:
            [task] = self._progress.task_ids
            total = None if completed_share is None else 1.0
            self._progress.update(task, total=total, completed=completed_share or 0.0, said=text)
        elif (
            not self._is_terminal and monotonic() - self._last_shown_at >= PROGRESS_INTERVAL_SECONDS
        ):
            self._last_shown_at = monotonic()
            self.print_line(f"{self._activity}: {text}")

    def print_line(self, text: str) -> None:
        """A line that stays."""
        line = f"redblack push: {_remove_control_characters(text)}"
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")


# --- what the registry answers ----------------------------------------------------


def _raise_for_status(answer: httpx.Response) -> None:
    if answer.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED}:
        return
    answer.read()
    status = f"{answer.status_code} {answer.reason_phrase}"
    if answer.has_redirect_location:  # not followed: the key is for this address alone
        raise PushError(f"{status}: the registry is at another address; give that / 请更正地址")
    try:
        problem = orjson.loads(answer.content)
        message = f"{answer.status_code} {_format_problem(problem)}"
        if name := problem.get("submission_id"):
            message += f"\n  submission {_remove_control_characters(name)}"
    except (AttributeError, KeyError, TypeError, ValueError):
        message = status  # the answer of a proxy in front of the registry
    if answer.status_code in RETRYABLE_STATUS_CODES:
        raise _RetryablePushError(message.partition("\n")[0], _read_retry_after(answer))
    raise PushError(f"the registry says / 平台答复: {message}")


def _format_problem(problem: dict[str, Any]) -> str:
    """The sentence, in both languages where both are given, and the first faults."""
    text = f"{_remove_control_characters(problem['code'])}: {_join_languages(problem)}"
    faults = problem.get("errors") or []
    for fault in faults[:MAX_SHOWN_FAULTS]:
        pointer, code = (
            _remove_control_characters(fault["pointer"]),
            _remove_control_characters(fault["code"]),
        )
        text += f"\n  {pointer}: {_join_languages(fault)} ({code})"
    if len(faults) > MAX_SHOWN_FAULTS:
        text += f"\n  … {len(faults)}"
    return text


def _join_languages(document: dict[str, Any]) -> str:
    """`detail` or `sentence`, whichever it is called there, with its other language."""
    names = ("detail_en", "detail", "sentence_en", "sentence")
    return " / ".join(
        dict.fromkeys(
            _remove_control_characters(document[name]) for name in names if document.get(name)
        )
    )


def _remove_control_characters(text: str) -> str:
    """Remove control characters of a terminal: a pointer may hold the heading of any table."""
    return "".join(character if character.isprintable() else " " for character in text)


def _read_retry_after(answer: httpx.Response) -> float:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3), which may be an instant; 0 for none."""
    header = answer.headers.get("Retry-After", "")
    if header.isascii() and header.isdecimal():
        return int(header)
    try:  # both by the clock of the server, because ours may be wrong
        retry_at, answered_at = (
            parsedate_to_datetime(answer.headers.get(name, "")) for name in ("Retry-After", "Date")
        )
        return max(0, (retry_at - answered_at).total_seconds())
    except (TypeError, ValueError):
        return 0


def _parse_submission(answer: httpx.Response) -> SubmissionProgress:
    try:
        body = orjson.loads(answer.content)
        progress = body["progress"] or {}
        names = ("rows_read", "accepted", "replayed", "refused", "corrected", "exited")
        submission = SubmissionProgress(
            id=str(body["id"]),
            state=str(body["state"]),
            dry_run=bool(body.get("dry_run")),
            counts={name: int(progress.get(name) or 0) for name in names},
            completed_share=_parse_number(progress.get("share")),
            rows_per_second=_parse_number(progress.get("rows_per_second")),
            remaining_seconds=_parse_number(progress.get("remaining_seconds")),
            problem=_format_problem(body["problem"]) if body.get("problem") else None,
            held_until=body.get("held_until"),
            sha256=body.get("sha256"),
            poll_after_seconds=_read_retry_after(answer),
        )
        is_known = submission.state in STATE_LABELS and submission.id.replace("-", "").isalnum()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PushError("what answers is no registry / 该地址不是名单平台") from error
    if not is_known:
        raise PushError("the registry is newer than this client / 请升级客户端")
    return submission


def _parse_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _parse_refusals(chunks: Iterator[bytes], draft: BinaryIO | None) -> list[dict[str, Any]]:
    """The first lines; with a draft all are written, and the trailer must be among them."""
    if draft is not None:
        _clear_draft(draft)
    first_lines: list[bytes] = []
    last = rest = b""
    for chunk in chunks:
        if draft is not None:
            draft.write(chunk)
        # By this byte alone: a sentence may hold what other readers of lines take for an end.
        *lines, rest = (rest + chunk).split(b"\n")
        first_lines += lines[: MAX_SHOWN_REFUSALS - len(first_lines)]
        last = lines[-1] if lines else last
        if draft is None and len(first_lines) == MAX_SHOWN_REFUSALS:
            break
    else:
        if rest or not _is_trailer(last):
            raise _RetryablePushError("the results broke off before their trailer")
    try:
        return [orjson.loads(line) for line in first_lines if not _is_trailer(line)]
    except ValueError as error:
        raise PushError("what the registry answers are no results / 平台答复有误") from error


def _is_trailer(line: bytes) -> bool:
    try:
        return "trailer" in orjson.loads(line)
    except (TypeError, ValueError):
        return False


def _format_refusal(refusal: dict[str, Any], language: str) -> str:
    """`row 3 · 统一社会信用代码 · sentence (code)`."""
    names = ("sentence", "sentence_en") if language == "zh" else ("sentence_en", "sentence")
    sentence = next((refusal[name] for name in names if refusal.get(name)), "")
    location = refusal.get("column") or refusal.get("pointer")
    parts = [f"row {refusal.get('row')}", *([location] if location else []), sentence]
    return " · ".join(map(str, parts)) + f" ({refusal.get('code')})"


def _describe_results_location(results: Path | None) -> str:
    return "; --results FILE keeps them all / 全部答复" if results is None else f": {results}"


# --- addresses and files ------------------------------------------------------------


def _validate_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PushError("the address of a registry begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise PushError("the address is host and path alone; the key goes another way")
    return url.rstrip("/")


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _validate_targets(file: Path, results: Path | None, workbook: Path | None) -> None:
    """Checked before anything is sent: an existing file may hold work that is still needed."""
    for target in (results, workbook):
        if target is not None and target.exists():
            raise PushError(f"{target} exists; name another file / 文件已存在")
        if target is not None and not target.parent.is_dir():
            raise PushError(f"{target.parent} is no directory / 目录不存在")
    if results is not None and results == workbook:
        raise PushError("results and workbook need a file each / 请分别指定文件")
    if workbook is not None and file.suffix.lower() not in TABLE_SUFFIXES:
        raise PushError("a workbook of refused rows is made for .csv and .xlsx / 仅限表格文件")


@contextmanager
def _open_draft(file: Path) -> Iterator[BinaryIO]:
    """Open a file that has a temporary name until it is complete; mode 0600."""
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        draft.rename(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _clear_draft(draft: BinaryIO) -> None:
    draft.seek(0)
    draft.truncate()
