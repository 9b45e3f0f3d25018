"""A submission at the registry: send, poll, read the refused rows."""

from base64 import b64encode
from functools import partial
from time import sleep
from typing import BinaryIO, NamedTuple, TypedDict
from zipfile import is_zipfile

import httpx
import orjson

from app.client.http import (
    MAX_PAUSE_SECONDS,
    ClientError,
    Query,
    ReceivedProblem,
    RegistryClient,
    RequestRefused,
    RetryableError,
    format_problem,
    read_retry_after,
)
from app.client.progress_display import ProgressDisplay
from app.client.pushed_file import PushedFile
from app.client.refusals import RowRefusal, clear_draft, parse_refusals

SUBMISSIONS = "/v1/submissions"
MAX_BYTES_WITHOUT_KEY_CHECK = 1024 * 1024
"""Bytes up to which a file is sent without trying the key first."""
MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.5, 5.0
"""Seconds between polls of a submission, unless the registry names a time."""

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


class ReceivedProgress(TypedDict, total=False):
    """The progress of a submission in an answer."""

    rows_read: int
    accepted: int
    replayed: int
    refused: int
    corrected: int
    exited: int
    share: float | None
    rows_per_second: float | None
    remaining_seconds: float | None


class ReceivedSubmission(TypedDict):
    """The members of a submission that a push reads."""

    id: str
    state: str
    dry_run: bool
    progress: ReceivedProgress | None
    problem: ReceivedProblem | None
    held_until: str | None
    sha256: str | None


class RowCounts(NamedTuple):
    """The rows of a submission by their result."""

    rows_read: int
    accepted: int
    replayed: int
    corrected: int
    exited: int
    refused: int


class SubmissionProgress(NamedTuple):
    """The state of a submission; `poll_after_seconds` is 0 if the registry names no time."""

    id: str
    state: str
    dry_run: bool
    counts: RowCounts
    completed_share: float | None
    rows_per_second: float | None
    remaining_seconds: float | None
    problem: str | None
    held_until: str | None
    sha256: str | None
    poll_after_seconds: float

    @property
    def state_text(self) -> str:
        """The state in both languages."""
        return f"{self.state} {STATE_LABELS[self.state]}"

    @property
    def progress_text(self) -> str:
        """A description of the progress."""
        parts = [
            f"read 已读 {self.counts.rows_read:,}",
            f"accepted 接受 {self.counts.accepted:,}",
            f"refused 拒绝 {self.counts.refused:,}",
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
        parts = [
            f"submission {self.id}",
            self.state_text,
            f"rows 行 {self.counts.rows_read:,}",
            f"accepted 接受 {self.counts.accepted:,}",
            f"replayed 已有 {self.counts.replayed:,}",
            f"corrected 更正 {self.counts.corrected:,}",
            f"exited 退出 {self.counts.exited:,}",
            f"refused 拒绝 {self.counts.refused:,}",
        ]
        if self.dry_run:
            parts.append("dry run, nothing was recorded 试运行，未入库")
        return " · ".join(parts)


class SubmissionClient:
    """Requests of a push; each is repeated as long as that may help."""

    def __init__(self, registry: RegistryClient, display: ProgressDisplay) -> None:
        self._registry = registry
        self._display = display

    def send_file(self, source: PushedFile, options: Query) -> SubmissionProgress:
        """Send the file until the registry has all of it.

        Raises:
            ClientError: refused, no answer, or the registry received other bytes.
        """
        if source.size > MAX_BYTES_WITHOUT_KEY_CHECK:
            self._registry.retry(self._check_key)
        headers = {
            "Content-Type": source.media_type,
            "Content-Length": str(source.size),
            "Content-Digest": f"sha-256=:{b64encode(source.sha256).decode()}:",
        }

        def attempt() -> SubmissionProgress:
            chunks = source.read_chunks(self._display)
            return _parse_submission(self._registry.post(SUBMISSIONS, options, chunks, headers))

        with self._display.show_bar("sending 上传"):
            submission = self._registry.retry(attempt)
        if submission.sha256 is not None and submission.sha256 != source.sha256.hex():
            raise ClientError("other bytes arrived than were sent / 平台收到的文件与原文件不符")
        return submission

    def wait_until_settled(self, submission: SubmissionProgress) -> SubmissionProgress:
        """Poll until the state is final, or until only a person can change it."""
        pause = MIN_POLL_SECONDS
        with self._display.show_bar("at work 处理"):
            while submission.state in UNFINISHED_STATES:
                self._display.update(submission.completed_share, submission.progress_text)
                sleep(min(submission.poll_after_seconds or pause, MAX_PAUSE_SECONDS))
                pause = min(2 * pause, MAX_POLL_SECONDS)
                submission = self._registry.retry(partial(self._read, submission.id))
        return submission

    def read_refusals(self, submission_id: str, draft: BinaryIO | None) -> list[RowRefusal]:
        """Return the first results of refused rows; write all of them to the draft unchanged."""

        def attempt() -> list[RowRefusal]:
            path = f"{SUBMISSIONS}/{submission_id}/results"
            with self._registry.stream(path, {"outcome": "refused"}) as chunks:
                return parse_refusals(chunks, draft)

        return self._registry.retry(attempt)

    def save_refused_workbook(self, submission_id: str, draft: BinaryIO) -> None:
        """Write the refused rows to the draft as a workbook."""

        def attempt() -> None:
            with self._registry.stream(f"{SUBMISSIONS}/{submission_id}/refused.xlsx") as chunks:
                clear_draft(draft)
                draft.writelines(chunks)
                draft.flush()
            if not is_zipfile(draft):  # a workbook needs all of its bytes
                raise RetryableError("the workbook broke off")

        self._registry.retry(attempt)

    def _check_key(self) -> None:
        # If a registry closes the connection during a large upload, its 401 may be lost.
        try:
            self._registry.get(SUBMISSIONS, {"limit": 1})
        except RequestRefused as refused:
            if refused.status == httpx.codes.UNAUTHORIZED:
                raise

    def _read(self, submission_id: str) -> SubmissionProgress:
        return _parse_submission(self._registry.get(f"{SUBMISSIONS}/{submission_id}"))


def _parse_submission(answer: httpx.Response) -> SubmissionProgress:
    try:
        body: ReceivedSubmission = orjson.loads(answer.content)
        progress, problem = body["progress"] or {}, body.get("problem")
        submission = SubmissionProgress(
            id=str(body["id"]),
            state=str(body["state"]),
            dry_run=bool(body.get("dry_run")),
            counts=RowCounts(
                rows_read=int(progress.get("rows_read") or 0),
                accepted=int(progress.get("accepted") or 0),
                replayed=int(progress.get("replayed") or 0),
                corrected=int(progress.get("corrected") or 0),
                exited=int(progress.get("exited") or 0),
                refused=int(progress.get("refused") or 0),
            ),
            completed_share=_parse_number(progress.get("share")),
            rows_per_second=_parse_number(progress.get("rows_per_second")),
            remaining_seconds=_parse_number(progress.get("remaining_seconds")),
            problem=format_problem(problem) if problem else None,
            held_until=body.get("held_until"),
            sha256=body.get("sha256"),
            poll_after_seconds=read_retry_after(answer),
        )
        is_known = submission.state in STATE_LABELS and submission.id.replace("-", "").isalnum()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ClientError("what answers is no registry / 该地址不是名单平台") from error
    if not is_known:
        raise ClientError("the registry is newer than this client / 请升级客户端")
    return submission


def _parse_number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
