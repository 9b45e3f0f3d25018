"""Sends a file of entries to a registry and sees it through: what a department's client needs.

Nothing of the registry's own code is used here, so that whoever reads it can write their own:

1. The file goes as it is to `POST /v1/submissions`, streamed, with its SHA-256 before it
   (`Content-Digest`), so that nothing is recorded of a file that arrives maimed.
2. No answer, 429 or 502 to 504: send it all again, after `Retry-After` or a growing pause. That
   is harmless: a row that is there already is answered as replayed, and a submission of the same
   bytes that is not finished yet is joined.
3. 202 is a promise, not an answer: `GET /v1/submissions/{id}` is asked until the state is one
   that lasts. The registry may be restarted meanwhile; the submission goes on, so the client does.
4. `GET /v1/submissions/{id}/results?outcome=refused` gives a line for each refused row, and at last
   `{"trailer": …}`. Without that line it broke off, and it is fetched again.

The process ends with 0 where everything was recorded (or a dry run refused nothing), 1 where it
cannot go on or the file was refused as a whole, 3 where some rows were refused, 4 where it is held
for a second person's approval; 2 is a wrong use of the command.
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
UNNAMED = "application/octet-stream"
"""For any other suffix: the registry looks at the content."""
TABLES = {".csv", ".xlsx"}

CHUNK = 256 * 1024
SENT_UNASKED = 1024 * 1024
"""Bytes up to which a file is sent without trying the key first."""
TIMEOUTS = httpx.Timeout(120, connect=10)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
FIRST_LOOK, LONGEST_LOOK = 0.5, 5.0
"""Seconds between looks at a submission, where the registry does not say how many."""
SHOWN_REFUSALS, SHOWN_FAULTS = 20, 5
TOLD_EVERY = 15.0
"""Seconds between two lines of progress where stderr is no terminal."""

PASSING = {408, 429, 502, 503, 504}
"""Statuses after which the same request may do; 408 is what stands before a registry says."""
UNFINISHED = {"receiving", "queued", "running", "reversing"}
STATES = {
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


class DeliveryError(Exception):
    """It cannot go on; the sentence says why, `code` is what the process ends with."""

    code: ClassVar[int] = 1


class RowsRefused(DeliveryError):
    """The file was worked through, and some of its rows were refused."""

    code = 3


class HeldForApproval(DeliveryError):
    """Nothing is recorded until a second person approves."""

    code = 4


class _Later(Exception):
    """A new attempt is worth making, after so many seconds at the earliest."""

    def __init__(self, said: str, seconds: float = 0) -> None:
        super().__init__(said)
        self.seconds = seconds


class Wishes(NamedTuple):
    """What is asked of the registry; what is None is left to it."""

    list_type: str | None = None
    department: str | None = None
    dry_run: bool = False
    on_error: Literal["continue", "stop"] = "continue"
    commit: Literal["valid_rows", "all_or_nothing"] = "valid_rows"
    mode: Literal["append", "replace"] = "append"
    reason: str | None = None
    rows: int | None = None

    @property
    def query(self) -> dict[str, str | int | bool]:
        """As the address carries them."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Submission(NamedTuple):
    """What the registry says of a submission; `again` is when to ask next, in seconds."""

    id: str
    state: str
    dry_run: bool
    counts: dict[str, int]
    share: float | None
    rows_per_second: float | None
    remaining_seconds: float | None
    problem: str | None
    held_until: str | None
    sha256: str | None
    again: float

    @property
    def refused(self) -> int:
        """How many rows were refused."""
        return self.counts["refused"]

    @property
    def progress(self) -> str:
        """How far it is."""
        said = [
            f"read 已读 {self.counts['rows_read']:,}",
            f"accepted 接受 {self.counts['accepted']:,}",
            f"refused 拒绝 {self.refused:,}",
        ]
        if self.rows_per_second is not None:
            said.append(f"{self.rows_per_second:,.0f} rows/s 行/秒")
        if self.remaining_seconds is not None:
            minutes, seconds = divmod(round(self.remaining_seconds), 60)
            said.append(f"left 剩余 {minutes}:{seconds:02}")
        return " · ".join(said)

    @property
    def described(self) -> str:
        """What became of it."""
        named = {
            "rows_read": "rows 行",
            "accepted": "accepted 接受",
            "replayed": "replayed 已有",
            "corrected": "corrected 更正",
            "exited": "exited 退出",
            "refused": "refused 拒绝",
        }
        said = [f"submission {self.id}", f"{self.state} {STATES[self.state]}"]
        said += [f"{words} {self.counts[name]:,}" for name, words in named.items()]
        if self.dry_run:
            said.append("dry run, nothing was recorded 试运行，未入库")
        return " · ".join(said)


def deliver(
    url: str,
    file: Path,
    key: str,
    *,
    wishes: Wishes | None = None,
    results: Path | None = None,
    refused_workbook: Path | None = None,
    patience: float = 300,
    language: Literal["zh", "en"] = "zh",
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = sleep,
) -> Iterator[str]:
    """Send the file and see it through; gives a line to print when it is taken and at its end.

    `results` is where the answers to refused rows go, and `refused_workbook` the refused rows of a
    table, marked (where there are any); neither may exist, and neither appears before it is whole,
    nor while the submission is held. `patience` bounds the seconds of waiting for one answer.
    `language` is that of the registry's sentences.

    Raises:
        DeliveryError: it cannot go on, or the file was refused as a whole.
        RowsRefused: some rows were refused; the first of them were said on stderr.
        HeldForApproval: a second person decides.
    """
    address = _checked_address(url)
    _check_targets(file, results, refused_workbook)
    display = _Display()
    if urlsplit(address).scheme == "http" and not _is_loopback(address):
        display.say("the key and the file travel unencrypted; use https:// / 密钥和文件未加密传输")
    ours, other = ("zh-CN, zh", "en") if language == "zh" else ("en", "zh")
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": f"{ours}, {other};q=0.5"}
    # One handle for all attempts: another file under this name is another delivery.
    with (
        file.open("rb") as opened,
        httpx.Client(
            base_url=address, headers=headers, timeout=TIMEOUTS, transport=transport
        ) as client,
    ):
        office = _Office(client, patience, sleep, display)
        told = office.push(_Parcel(opened, file, display), wishes or Wishes())
        yield f"submission {told.id} · {told.state} {STATES[told.state]}"
        told = office.see_through(told)
        yield told.described
        if told.state == "done" or (told.refused and told.state in {"stopped", "refused"}):
            _fetch_refusals(office, told, results, refused_workbook, display, language)
    _conclude(told)


def _fetch_refusals(
    office: "_Office",
    told: Submission,
    results: Path | None,
    workbook: Path | None,
    display: "_Display",
    language: str,
) -> None:
    if results is not None:
        with _draft_of(results) as draft:
            refusals = office.refusals(told, draft)
        display.say(f"{results}: the answers to refused rows / 被拒绝行的答复")
    else:
        refusals = office.refusals(told, None) if told.refused else []
    for refusal in refusals:
        display.say(_refusal_said(refusal, language))
    if told.refused > len(refusals):
        more = told.refused - len(refusals)
        display.say(f"… and {more:,} more / 另有 {more:,} 行" + _kept_where(results))
    if workbook is not None and told.refused:
        with _draft_of(workbook) as draft:
            office.refused_workbook(told, draft)
        display.say(f"{workbook}: the refused rows, marked / 被拒绝的行（已标注）")


def _conclude(told: Submission) -> None:
    match told.state:
        case "held":
            until = f" until {told.held_until} / 截止 {told.held_until}" if told.held_until else ""
            raise HeldForApproval(
                f"submission {told.id} is held for a second person's approval{until}"
                " / 变动较大，待另一人核准后生效"
            )
        case "done" | "stopped" if told.refused:
            why = f"\n  {told.problem}" if told.problem else ""
            raise RowsRefused(
                f"{told.refused:,} of {told.counts['rows_read']:,} rows were refused"
                f" / 共 {told.counts['rows_read']:,} 行，拒绝 {told.refused:,} 行{why}"
            )
        case "done" if told.problem:
            raise DeliveryError(f"submission {told.id} is done, but / 已完成，但: {told.problem}")
        case "done":
            return
        case "refused":
            why = told.problem or "the registry does not say why / 平台未说明原因"
            raise DeliveryError(f"submission {told.id} was refused as a whole / 整体退回: {why}")
        case state:
            why = f": {told.problem}" if told.problem else ""
            raise DeliveryError(f"submission {told.id} is {state} {STATES[state]}{why}")


class _Office:
    """The registry's side: asks, and asks again while that may help."""

    def __init__(
        self,
        client: httpx.Client,
        patience: float,
        sleep: Callable[[float], None],
        display: "_Display",
    ) -> None:
        self._client = client
        self._patience = patience
        self._sleep = sleep
        self._display = display

    def push(self, parcel: "_Parcel", wishes: Wishes) -> Submission:
        """Bring the file there, once at least; it is the registry's from then on."""
        if parcel.size > SENT_UNASKED:
            self._insist(self._try_key)
        headers = {
            "Content-Type": parcel.media_type,
            "Content-Length": str(parcel.size),
            "Content-Digest": f"sha-256=:{b64encode(parcel.sha256).decode()}:",
        }

        def attempt() -> Submission:
            answer = self._client.post(
                "/v1/submissions",
                params=wishes.query,
                content=parcel.chunks(self._display),
                headers=headers,
            )
            _require_ok(answer)
            return _read_submission(answer)

        with self._display.bar("sending 上传"):
            told = self._insist(attempt)
        if told.sha256 is not None and told.sha256 != parcel.sha256.hex():
            raise DeliveryError("other bytes arrived than were sent / 平台收到的文件与原文件不符")
        return told

    def see_through(self, told: Submission) -> Submission:
        """Wait until the state is one that lasts, or that a person must change."""
        pause = FIRST_LOOK
        with self._display.bar("at work 处理"):
            while told.state in UNFINISHED:
                self._display.show(told.share, told.progress)
                self._sleep(min(told.again or pause, LONGEST_PAUSE))
                pause = min(2 * pause, LONGEST_LOOK)
                told = self._insist(partial(self._look, told.id))
        return told

    def refusals(self, told: Submission, draft: BinaryIO | None) -> list[dict[str, Any]]:
        """The first answers to refused rows; all of them go into the draft, as they came."""

        def attempt() -> list[dict[str, Any]]:
            with self._stream(f"{told.id}/results", {"outcome": "refused"}) as chunks:
                return _read_refusals(chunks, draft)

        return self._insist(attempt)

    def refused_workbook(self, told: Submission, draft: BinaryIO) -> None:
        """The refused rows as a workbook, into the draft."""

        def attempt() -> None:
            with self._stream(f"{told.id}/refused.xlsx", {}) as chunks:
                _begin_anew(draft)
                draft.writelines(chunks)
                draft.flush()
            if not is_zipfile(draft):  # what a workbook is; the end of the file tells
                raise _Later("the workbook broke off")

        self._insist(attempt)

    def _try_key(self) -> None:
        # A registry that hangs up on a large upload may not get its 401 across.
        answer = self._client.get("/v1/submissions", params={"limit": 1})
        if answer.status_code == httpx.codes.UNAUTHORIZED or answer.status_code in PASSING:
            _require_ok(answer)

    def _look(self, name: str) -> Submission:
        answer = self._client.get(f"/v1/submissions/{name}")
        _require_ok(answer)
        return _read_submission(answer)

    @contextmanager
    def _stream(self, path: str, query: dict[str, str]) -> Iterator[Iterator[bytes]]:
        with self._client.stream("GET", f"/v1/submissions/{path}", params=query) as answer:
            _require_ok(answer)
            yield answer.iter_bytes()

    def _insist(self, attempt: Callable[[], T]) -> T:
        waited, pause = 0.0, FIRST_PAUSE
        while True:
            try:
                return attempt()
            except (httpx.RequestError, _Later) as trouble:
                seconds = max(pause, getattr(trouble, "seconds", 0))
                waited += seconds
                said = str(trouble) or type(trouble).__name__
                if waited > self._patience:
                    raise DeliveryError(
                        f"the registry does not answer / 平台无应答: {said}"
                    ) from trouble
            self._display.say(f"{said}; again in {seconds:g} s / {seconds:g} 秒后重试")
            self._sleep(seconds)
            pause = min(2 * pause, LONGEST_PAUSE)


class _Parcel:
    """The file on disk: read once for its hash, and again from its start with every attempt."""

    def __init__(self, opened: BinaryIO, file: Path, display: "_Display") -> None:
        self._opened = opened
        self._file = file
        self._stamp = self._take_stamp()
        self.size = self._stamp[0]
        self.media_type = MEDIA_TYPES.get(file.suffix.lower(), UNNAMED)
        digest = hashlib.sha256()
        with display.bar("reading 读取"):
            for chunk in self.chunks(display):
                digest.update(chunk)
        self.sha256 = digest.digest()

    def chunks(self, display: "_Display") -> Iterator[bytes]:
        """All of it, never much at once."""
        self._opened.seek(0)
        done = 0
        while chunk := self._opened.read(CHUNK):
            self._require_same()
            done += len(chunk)
            share = done / self.size if self.size else None
            display.show(share, f"{done / 1e6:,.1f} / {self.size / 1e6:,.1f} MB")
            yield chunk
        self._require_same()

    def _take_stamp(self) -> tuple[int, int]:
        stat = os.fstat(self._opened.fileno())
        return stat.st_size, stat.st_mtime_ns

    def _require_same(self) -> None:
        # What was hashed and what is sent must be one file, else the registry refuses it anyway.
        if self._take_stamp() != self._stamp:
            raise DeliveryError(
                f"{self._file} is being changed; send it when it is finished / 文件正在被修改"
            )


class _Display:
    """What a person sees meanwhile, on stderr: a bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._progress: Progress | None = None
        self._what = ""
        self._told_at = 0.0

    @contextmanager
    def bar(self, what: str) -> Iterator[None]:
        """Show one piece of work from its beginning to its end."""
        self._what, self._told_at = what, monotonic()
        if not self._on_terminal:
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
        progress.add_task(what, total=None, said="")
        try:
            with progress:
                self._progress = progress
                yield
        finally:
            self._progress = None

    def show(self, share: float | None, said: str) -> None:
        """How far it is: a share of 1 where it is known, and in words."""
        if self._progress is not None:
            [task] = self._progress.task_ids
            total = None if share is None else 1.0
            self._progress.update(task, total=total, completed=share or 0.0, said=said)
        elif not self._on_terminal and monotonic() - self._told_at >= TOLD_EVERY:
            self._told_at = monotonic()
            self.say(f"{self._what}: {said}")

    def say(self, text: str) -> None:
        """A line that stays."""
        line = f"redblack push: {_printable(text)}"
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")


# --- what the registry answers ----------------------------------------------------


def _require_ok(answer: httpx.Response) -> None:
    if answer.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED}:
        return
    answer.read()
    status = f"{answer.status_code} {answer.reason_phrase}"
    if answer.has_redirect_location:  # not followed: the key is for this address alone
        raise DeliveryError(f"{status}: the registry is at another address; give that / 请更正地址")
    try:
        problem = orjson.loads(answer.content)
        said = f"{answer.status_code} {_problem_said(problem)}"
        if name := problem.get("submission_id"):
            said += f"\n  submission {_printable(name)}"
    except (AttributeError, KeyError, TypeError, ValueError):
        said = status  # whoever stands before the registry said it
    if answer.status_code in PASSING:
        raise _Later(said.partition("\n")[0], _asked_pause(answer))
    raise DeliveryError(f"the registry says / 平台答复: {said}")


def _problem_said(problem: dict[str, Any]) -> str:
    """The sentence, in both languages where both are given, and the first faults."""
    said = f"{_printable(problem['code'])}: {_both(problem)}"
    faults = problem.get("errors") or []
    for fault in faults[:SHOWN_FAULTS]:
        place, code = _printable(fault["pointer"]), _printable(fault["code"])
        said += f"\n  {place}: {_both(fault)} ({code})"
    if len(faults) > SHOWN_FAULTS:
        said += f"\n  … {len(faults)}"
    return said


def _both(told: dict[str, Any]) -> str:
    """`detail` or `sentence`, whichever it is called there, with its other language."""
    names = ("detail_en", "detail", "sentence_en", "sentence")
    return " / ".join(dict.fromkeys(_printable(told[name]) for name in names if told.get(name)))


def _printable(text: str) -> str:
    """Without what a terminal would act on: a place may be the header of somebody's table."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _asked_pause(answer: httpx.Response) -> float:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3), which may be an instant; 0 for none."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isascii() and asked.isdecimal():
        return int(asked)
    try:  # both by the clock of who answers, so ours may be wrong
        asked_for, said_at = (
            parsedate_to_datetime(answer.headers.get(name, "")) for name in ("Retry-After", "Date")
        )
        return max(0, (asked_for - said_at).total_seconds())
    except (TypeError, ValueError):
        return 0


def _read_submission(answer: httpx.Response) -> Submission:
    try:
        told = orjson.loads(answer.content)
        progress = told["progress"] or {}
        names = ("rows_read", "accepted", "replayed", "refused", "corrected", "exited")
        submission = Submission(
            id=str(told["id"]),
            state=str(told["state"]),
            dry_run=bool(told.get("dry_run")),
            counts={name: int(progress.get(name) or 0) for name in names},
            share=_number(progress.get("share")),
            rows_per_second=_number(progress.get("rows_per_second")),
            remaining_seconds=_number(progress.get("remaining_seconds")),
            problem=_problem_said(told["problem"]) if told.get("problem") else None,
            held_until=told.get("held_until"),
            sha256=told.get("sha256"),
            again=_asked_pause(answer),
        )
        known = submission.state in STATES and submission.id.replace("-", "").isalnum()
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:
        raise DeliveryError("what answers is no registry / 该地址不是名单平台") from wrong
    if not known:
        raise DeliveryError("the registry is newer than this client / 请升级客户端")
    return submission


def _number(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) else None


def _read_refusals(chunks: Iterator[bytes], draft: BinaryIO | None) -> list[dict[str, Any]]:
    """The first lines; with a draft all are written, and the trailer must be among them."""
    if draft is not None:
        _begin_anew(draft)
    first: list[bytes] = []
    last = rest = b""
    for chunk in chunks:
        if draft is not None:
            draft.write(chunk)
        # By this byte alone: a sentence may hold what other readers of lines take for an end.
        *lines, rest = (rest + chunk).split(b"\n")
        first += lines[: SHOWN_REFUSALS - len(first)]
        last = lines[-1] if lines else last
        if draft is None and len(first) == SHOWN_REFUSALS:
            break
    else:
        if rest or not _is_trailer(last):
            raise _Later("the results broke off before their trailer")
    try:
        return [orjson.loads(line) for line in first if not _is_trailer(line)]
    except ValueError as wrong:
        raise DeliveryError("what the registry answers are no results / 平台答复有误") from wrong


def _is_trailer(line: bytes) -> bool:
    try:
        return "trailer" in orjson.loads(line)
    except (TypeError, ValueError):
        return False


def _refusal_said(refusal: dict[str, Any], language: str) -> str:
    """`row 3 · 统一社会信用代码 · sentence (code)`."""
    names = ("sentence", "sentence_en") if language == "zh" else ("sentence_en", "sentence")
    sentence = next((refusal[name] for name in names if refusal.get(name)), "")
    place = refusal.get("column") or refusal.get("pointer")
    parts = [f"row {refusal.get('row')}", *([place] if place else []), sentence]
    return " · ".join(map(str, parts)) + f" ({refusal.get('code')})"


def _kept_where(results: Path | None) -> str:
    return "; --results FILE keeps them all / 全部答复" if results is None else f": {results}"


# --- addresses and files ------------------------------------------------------------


def _checked_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DeliveryError("the address of a registry begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise DeliveryError("the address is host and path alone; the key goes another way")
    return url.rstrip("/")


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_targets(file: Path, results: Path | None, workbook: Path | None) -> None:
    """Known before anything is sent: a file that is there already is somebody's work."""
    for target in (results, workbook):
        if target is not None and target.exists():
            raise DeliveryError(f"{target} exists; name another file / 文件已存在")
        if target is not None and not target.parent.is_dir():
            raise DeliveryError(f"{target.parent} is no directory / 目录不存在")
    if results is not None and results == workbook:
        raise DeliveryError("results and workbook need a file each / 请分别指定文件")
    if workbook is not None and file.suffix.lower() not in TABLES:
        raise DeliveryError("a workbook of refused rows is made for .csv and .xlsx / 仅限表格文件")


@contextmanager
def _draft_of(file: Path) -> Iterator[BinaryIO]:
    """A file under another name until it is whole; private, for it tells of people."""
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as opened:
            yield opened
            opened.flush()
            os.fsync(descriptor)
        draft.rename(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _begin_anew(draft: BinaryIO) -> None:
    draft.seek(0)
    draft.truncate()
