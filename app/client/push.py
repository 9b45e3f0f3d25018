"""Push: send a file of entries to a registry and wait until it is processed.

It uses no code of the registry, so that a reader can write a client of their own:

1. The file goes unchanged to `POST /v1/submissions`, streamed, with its SHA-256 in
   `Content-Digest`, so that a damaged file is never recorded.
2. On no answer, 408, 429 or 502 to 504 the client sends everything again, after `Retry-After` or a
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

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import httpx

from app.client.http import ClientError, Query, is_unencrypted, open_registry, validate_address
from app.client.progress_display import ProgressDisplay
from app.client.pushed_file import PushedFile
from app.client.refusals import format_refusal, open_draft, validate_targets
from app.client.submission import SubmissionClient, SubmissionProgress

ANSWER_SECONDS = 120


class RowsRefused(ClientError):
    """The file was processed, and some of its rows were refused."""

    exit_code = 3


class ApprovalPending(ClientError):
    """Nothing is recorded until a second person approves."""

    exit_code = 4


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
    def query(self) -> Query:
        """The query parameters of the address."""
        return {name: value for name, value in self._asdict().items() if value is not None}


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
) -> Iterator[str]:
    """Send a file and wait until it is processed; yield lines to print.

    `results` is the file for the results of refused rows, `refused_workbook` the file for the
    refused rows of a table, marked (if there are any). Neither may exist before, and neither
    appears before it is complete, or while the submission is held. `max_wait_seconds` limits the
    wait for one answer. `language` is the language of sentences.

    Raises:
        ClientError: the push cannot continue, or the file was refused as a whole.
        RowsRefused: some rows were refused; the first of them were printed on standard error.
        ApprovalPending: a second person decides.
    """
    address = validate_address(url)
    validate_targets(file, results, refused_workbook)
    display = ProgressDisplay()
    if is_unencrypted(address):
        display.print_line(
            "the key and the file travel unencrypted; use https:// / 密钥和文件未加密传输"
        )
    preferred, other = ("zh-CN, zh", "en") if language == "zh" else ("en", "zh")
    # One handle for all attempts: another file under this name is another delivery.
    with (
        file.open("rb") as source,
        open_registry(
            address,
            key,
            answer_seconds=ANSWER_SECONDS,
            max_wait_seconds=max_wait_seconds,
            print_line=display.print_line,
            languages=f"{preferred}, {other};q=0.5",
            transport=transport,
        ) as registry,
    ):
        client = SubmissionClient(registry, display)
        submission = client.send_file(
            PushedFile(source, file, display), (options or PushOptions()).query
        )
        yield f"submission {submission.id} · {submission.state_text}"
        submission = client.wait_until_settled(submission)
        yield submission.summary
        if submission.state == "done" or (
            submission.counts.refused and submission.state in {"stopped", "refused"}
        ):
            _report_refusals(client, submission, results, refused_workbook, display, language)
    _raise_unless_done(submission)


def _report_refusals(
    client: SubmissionClient,
    submission: SubmissionProgress,
    results: Path | None,
    workbook: Path | None,
    display: ProgressDisplay,
    language: str,
) -> None:
    if results is not None:
        with open_draft(results) as draft:
            refusals = client.read_refusals(submission.id, draft)
        display.print_line(f"{results}: the answers to refused rows / 被拒绝行的答复")
    else:
        refusals = client.read_refusals(submission.id, None) if submission.counts.refused else []
    for refusal in refusals:
        display.print_line(format_refusal(refusal, language))
    if submission.counts.refused > len(refusals):
        more = submission.counts.refused - len(refusals)
        display.print_line(
            f"… and {more:,} more / 另有 {more:,} 行" + _describe_results_location(results)
        )
    if workbook is not None and submission.counts.refused:
        with open_draft(workbook) as draft:
            client.save_refused_workbook(submission.id, draft)
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
        case "done" | "stopped" if submission.counts.refused:
            reason = f"\n  {submission.problem}" if submission.problem else ""
            raise RowsRefused(
                f"{submission.counts.refused:,} of {submission.counts.rows_read:,} rows were"
                f" refused / 共 {submission.counts.rows_read:,} 行，"
                f"拒绝 {submission.counts.refused:,} 行{reason}"
            )
        case "done" if submission.problem:
            raise ClientError(
                f"submission {submission.id} is done, but / 已完成，但: {submission.problem}"
            )
        case "done":
            return
        case "refused":
            reason = submission.problem or "the registry does not say why / 平台未说明原因"
            raise ClientError(
                f"submission {submission.id} was refused as a whole / 整体退回: {reason}"
            )
        case _:
            reason = f": {submission.problem}" if submission.problem else ""
            raise ClientError(f"submission {submission.id} is {submission.state_text}{reason}")


def _describe_results_location(results: Path | None) -> str:
    return "; --results FILE keeps them all / 全部答复" if results is None else f": {results}"
