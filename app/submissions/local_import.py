"""Import of a local file by the command line, through the same processing, with a progress bar."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.db.tables.submissions import StoredRowResult
from app.jobs.queue import name_worker
from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER
from app.submissions import queries, service
from app.submissions.processing.queue import claim_submission, process_submission
from app.submissions.schemas import RowOutcome, State, SubmissionOptions
from app.submissions.store import submissions
from app.submissions.store.submissions import SubmissionRow
from app.submissions.upload.encrypted_file import PART_BYTES

POLL_SECONDS = 0.2
MAX_SHOWN_REFUSALS = 20


def import_local_file(registry: Registry, file: Path, options: SubmissionOptions) -> SubmissionRow:
    """Record a file, with progress on standard error.

    A file that an earlier run left unfinished continues after its last step.

    Raises:
        RegistryError: the options contradict each other; nothing was recorded.
    """
    worker = name_worker()
    row = _receive_file(registry, file, options, worker)
    with _create_progress() as bar:
        task = bar.add_task("", total=max(row.bytes, 1))
        finished = threading.Event()
        watcher = threading.Thread(
            target=_watch_other_worker, args=(registry, row.id, bar, task, finished)
        )
        watcher.start()
        try:
            _process_until_done(registry, row, worker)
        finally:
            finished.set()
            watcher.join()
    final_row = queries.get_submission(registry, COMMAND_LINE_CALLER, row.id)
    _print_summary(registry, final_row)
    return final_row


def _process_until_done(registry: Registry, row: SubmissionRow, worker: str) -> None:
    """Work it off; where an earlier run or a server still has it, wait for them, or take it up."""
    while row.finished_at is None and row.state != State.held:
        claimed = row if row.worker == worker else claim_submission(registry, worker, row.id)
        if claimed is None:
            sleep(POLL_SECONDS)
        else:
            process_submission(registry, claimed)
        row = queries.get_submission(registry, COMMAND_LINE_CALLER, row.id)


def _receive_file(
    registry: Registry, file: Path, options: SubmissionOptions, worker: str
) -> SubmissionRow:
    upload = service.begin_upload(registry, COMMAND_LINE_CALLER, options)
    try:
        with file.open("rb") as content:
            upload.add(content.read(PART_BYTES))
            while part := content.read(PART_BYTES):
                service.store_part(registry, upload)
                upload.add(part)
        return service.finish_upload(registry, upload, worker=worker)
    except BaseException:
        service.discard_upload(registry, upload)
        raise


def _create_progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _watch_other_worker(
    registry: Registry, submission_id: UUID, bar: Progress, task: TaskID, finished: threading.Event
) -> None:
    while not finished.wait(POLL_SECONDS):
        row = queries.get_submission(registry, COMMAND_LINE_CALLER, submission_id)
        bar.update(task, completed=row.bytes_read, description=_describe(row))


def _describe(row: SubmissionRow) -> str:
    return (
        f"{row.rows_read} rows, {row.accepted} accepted, {row.replayed} replayed,"
        f" {row.refused} refused"
    )


def _print_summary(registry: Registry, row: SubmissionRow) -> None:
    print(f"{row.id}: {row.state}, {_describe(row)}")  # noqa: T201 - the command's answer
    if row.problem:
        problem = row.problem
        for error in problem["errors"]:
            print(f"  {error['sentence']} / {error['sentence_en']}", file=sys.stderr)  # noqa: T201
    for number, result in enumerate(_iterate_refused_rows(registry, row.id)):
        if number == MAX_SHOWN_REFUSALS:
            print("  …", file=sys.stderr)  # noqa: T201
            break
        where = result.get("column") or result["pointer"]
        print(  # noqa: T201
            f"  row {result['row']} · {where} · {result['sentence']} ({result['code']})",
            file=sys.stderr,
        )


def _iterate_refused_rows(registry: Registry, submission_id: UUID) -> Iterator[StoredRowResult]:
    for batch in submissions.read_all_batches(registry, submission_id, refused_only=True):
        yield from (item for item in batch.results if item["outcome"] == RowOutcome.refused)


def write_results(registry: Registry, row: SubmissionRow, file: Path) -> None:
    """Write every row's answer; under another name until its trailer is there."""
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)  # of a run that died over it
    with draft.open("xb") as lines:
        for chunk in queries.format_results(registry, row, None):
            lines.write(chunk)
    draft.rename(file)


def get_exit_code(row: SubmissionRow) -> int:
    """Return the exit code: 0 all recorded, 1 not read to the end, 3 rows refused, 4 held."""
    if row.state == State.held:
        return 4
    if row.state not in {State.done, State.stopped}:
        return 1
    if row.refused:
        return 3
    return 0 if row.state == State.done and row.problem is None else 1
