"""Processing of a submission: rows become entries in steps of about 50 ms.

One transaction holds the entries of a step, the results of its rows and the progress, and it names
the worker that holds the lease. A killed worker therefore leaves whole steps, and its successor
continues after the last one: every row is recorded once.

A file that is judged as a whole (a dry run, all or nothing, a full list) is rehearsed first without
a lock; then it is recorded in one transaction.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.db.engines import Connection, DatabaseError
from app.db.tables.submissions import StoredRowResult
from app.entries.service import (
    DryRun,
    Proposal,
    record_proposals,
    record_status_changes_until_today,
)
from app.errors import (
    Fault,
    InternalError,
    InvalidPayload,
    NotReady,
    ProblemCode,
    RegistryError,
    Sentence,
    Unavailable,
)
from app.http.context import set_request_id
from app.jobs.queue import Cancelled, LeaseLost
from app.registry import Registry
from app.subjects.service import lock_subjects
from app.submissions.mapping.source_file import SourceRow
from app.submissions.processing import full_replace, reversal
from app.submissions.processing.job import (
    ProcessedSubmission,
    Progress,
    RowRecording,
    SubmissionJob,
)
from app.submissions.schemas import CommitRule, Mode, OnError, RowOutcome, State
from app.submissions.store.submissions import StepColumns, SubmissionRow

log = logging.getLogger("redblack.submissions")

STEP_SECONDS = 0.05
FIRST_STEP_ROWS, MAX_STEP_ROWS = 100, 1_000
STAGED_STEP_ROWS = 250
MAX_ATTEMPTS = 5
MAX_REFUSED_ROWS = 20_000


class RehearsalOutdated(Exception):
    """A row was refused while all were being recorded at once; nothing was."""


def process(
    registry: Registry,
    row: SubmissionRow,
    stop_requested: threading.Event | None = None,
    *,
    content: bytes | None = None,
    max_rows: int | None = None,
    max_results: int = 0,
) -> ProcessedSubmission | None:
    """Process a claimed submission to its end, or until it needs a second person.

    Any fault of the file becomes part of its result. If the database is away, the lease runs out
    and another worker continues. After `max_rows` recorded rows the submission is released, for
    another worker to continue. `content` is the file, if it is in memory. Up to `max_results` row
    results are returned; None is returned if another worker took the submission.

    Raises:
        Cancelled: `stop_requested` was set; processing ends with the current step.
    """
    set_request_id(row.request_id or str(row.id))
    try:
        job = SubmissionJob(
            registry, row, stop_requested or threading.Event(), content, max_results
        )
        if row.attempts > MAX_ATTEMPTS:
            job.commit_final_state(
                _determine_broken_state(job), InvalidPayload(faults=[TOO_MANY_ATTEMPTS])
            )
        else:
            _process(job, max_rows)
    except LeaseLost:
        log.warning("submission %s was taken up by another worker", row.id)
        return None
    return job.outcome


def _process(job: SubmissionJob, max_rows: int | None) -> None:
    row = job.row
    try:
        if row.state == State.reversing:
            reversal.reverse_submission_entries(job)
        elif row.mode == Mode.full_replace:
            full_replace.replace_whole_list(job)
        elif row.dry_run or row.commit_rule == CommitRule.all_or_nothing:
            _process_as_whole(job)
        else:
            _process_row_by_row(job, max_rows)
    except (LeaseLost, Cancelled, DatabaseError, Unavailable):
        raise  # not a fault of the file: the next worker continues here
    except RegistryError as refusal:
        # Entries recorded before stay recorded, and the result says so.
        job.commit_final_state(_determine_broken_state(job), refusal)
    except (
        Exception
    ) as failure:  # whatever the error, the file must not kill the next worker as well
        log.exception("submission %s failed: %s", row.id, type(failure).__name__)
        job.commit_final_state(_determine_broken_state(job), InternalError())


def _determine_broken_state(job: SubmissionJob) -> State:
    """Return the final state after an error: stopped if earlier rows are recorded, else refused."""
    row = job.row
    if row.state == State.reversing:
        return State.stopped  # entries not taken back yet stay valid
    is_atomic = row.mode == Mode.full_replace or row.commit_rule == CommitRule.all_or_nothing
    return State.stopped if job.progress.batches and not is_atomic else State.refused


# --- row by row ----------------------------------------------------------


class StepSizer:
    """The number of rows in a step, adjusted so that a step takes about `STEP_SECONDS`."""

    def __init__(self) -> None:
        self.row_count = FIRST_STEP_ROWS

    def adjust(self, row_count: int, seconds: float) -> None:
        """Fit the next step to what the last one took."""
        target_rows = int(row_count * STEP_SECONDS / max(seconds, 0.001))
        # Not more than double: one quick step may have been all replays.
        self.row_count = max(1, min(target_rows, 2 * self.row_count, MAX_STEP_ROWS))


def _process_row_by_row(job: SubmissionJob, max_rows: int | None) -> None:
    stop_on_error = job.row.on_error == OnError.stop
    if (
        stop_on_error and job.row.refused
    ):  # a worker before this one died between its last step and the end
        job.commit_final_state(State.stopped)
        return
    sizer, total_refused = StepSizer(), job.row.refused
    for rows, is_last in job.read_slices(lambda: sizer.row_count, after_row=job.progress.last_row):
        record_status_changes_until_today(job.registry)
        step = _record_step(
            job,
            rows,
            job.prepare_proposals(rows),
            stop_on_error=stop_on_error,
            may_end=is_last,
            max_refused=MAX_REFUSED_ROWS - total_refused,
        )
        if step.is_end:
            return
        sizer.adjust(len(rows), step.seconds)
        if stop_on_error and step.refused_count:
            job.commit_final_state(State.stopped)
            return
        total_refused += step.refused_count
        if total_refused > MAX_REFUSED_ROWS:
            raise InvalidPayload(faults=[TOO_MANY_REFUSED])
        if max_rows is not None and job.progress.rows_read >= max_rows:
            job.release_lease()
            return
    job.commit_final_state(State.done, job.find_count_fault(job.progress.rows_read))


class _Step(NamedTuple):
    """One committed step: how long others waited for it, its refused rows, and whether it ended."""

    progress: Progress
    seconds: float
    refused_count: int
    is_end: bool


def _record_step(
    job: SubmissionJob,
    rows: Sequence[SourceRow],
    proposals: Sequence[Proposal | RegistryError],
    *,
    stop_on_error: bool,
    may_end: bool,
    max_refused: int,
) -> _Step:
    """Record one step; with the last rows, also the end of the submission, unless rows stop it.

    With `stop_on_error` the results end with the first refusal.
    """

    def write(connection: Connection) -> _Step:
        started_at, progress = time.perf_counter(), replace(job.progress)
        outcomes = record_proposals(
            job.registry, connection, job.row.caller, proposals, stop_at_refusal=stop_on_error
        )
        results = [
            job.build_results(row, item)
            for row, item in zip(rows, outcomes, strict=not stop_on_error)
        ]
        refused_count = sum(isinstance(item, RegistryError) for item in outcomes)
        is_end = may_end and refused_count <= (0 if stop_on_error else max_refused)
        columns: StepColumns = {"attempts": 0}
        if is_end:
            problem = job.find_count_fault(progress.rows_read + len(results))
            columns |= job.build_final_columns(State.done, problem)
        job.add_results(connection, progress, results, columns)
        if is_end:
            job.audit_final_state(connection, State.done)
        return _Step(progress, time.perf_counter() - started_at, refused_count, is_end)

    step = job.registry.write(write)
    job.progress = step.progress
    return step


# --- as a whole ----------------------------------------------------------


def _process_as_whole(job: SubmissionJob) -> None:
    row = job.row
    for _ in range(MAX_ATTEMPTS):
        staged = _stage_rows(job)
        if row.commit_rule == CommitRule.valid_rows:  # a dry run ends as the real one would
            if staged is None and row.on_error == OnError.stop:
                job.commit_final_state(State.stopped)
            else:
                job.commit_final_state(State.done, job.find_count_fault(job.progress.rows_read))
            return
        if staged is None:
            job.commit_final_state(State.refused, InvalidPayload(faults=[ROWS_REFUSED]))
            return
        if row.dry_run:
            job.commit_final_state(State.done)
            return
        try:
            _commit_staged(job, staged)
        except (NotReady, RehearsalOutdated):
            continue  # another process recorded some of it: rehearse again
        return
    raise NotReady(retry_after=1)


@dataclass(slots=True)
class StagedRows:
    """Rows that were found sound together, and what they propose."""

    rehearsal: DryRun
    rows: list[SourceRow] = field(default_factory=list)
    proposals: list[Proposal | RegistryError] = field(default_factory=list)


def _stage_rows(job: SubmissionJob) -> StagedRows | None:
    """Answer every row without recording any; None where one of them is refused."""
    registry, submission = job.registry, job.row
    stop_on_error = submission.on_error == OnError.stop
    is_atomic = submission.commit_rule == CommitRule.all_or_nothing
    job.restart_if_begun()
    staged, all_valid = StagedRows(DryRun(registry, submission.caller)), True
    record_status_changes_until_today(registry)
    for rows, _ in job.read_slices(lambda: STAGED_STEP_ROWS, after_row=0):
        job.require_holdable_count(len(rows))
        proposals = job.prepare_proposals(rows)
        outcomes = staged.rehearsal.decide_all(proposals, stop_at_refusal=stop_on_error)
        job.set_progress(
            [
                _find_rehearsed_results(job, *row_and_outcome)
                for row_and_outcome in zip(rows, outcomes, strict=not stop_on_error)
            ]
        )
        all_valid = all_valid and not any(isinstance(item, RegistryError) for item in outcomes)
        if stop_on_error and not all_valid:
            return None
        if is_atomic and all_valid and not submission.dry_run:
            staged.rows += (row.without_content() for row in rows)
            staged.proposals += proposals
    if is_atomic:
        job.require_declared_count(job.progress.rows_read)
    return staged if all_valid else None


def _find_rehearsed_results(
    job: SubmissionJob, row: SourceRow, outcome: RowRecording
) -> StoredRowResult:
    result = job.build_results(row, outcome, is_recorded=False)
    if result["outcome"] == RowOutcome.accepted and not job.row.dry_run:
        return result | {"outcome": RowOutcome.sound.value}
    return result


def _commit_staged(job: SubmissionJob, staged: StagedRows) -> None:
    def commit(connection: Connection) -> Progress:
        # All at once and first, in their order, so that two such files do not wait for each other.
        lock_subjects(connection, staged.rehearsal.recorded_subject_ids)
        outcomes = record_proposals(
            job.registry, connection, job.row.caller, staged.proposals, stop_at_refusal=True
        )
        if isinstance(outcomes[-1], RegistryError):
            raise RehearsalOutdated
        results = [
            job.build_results(row, item) for row, item in zip(staged.rows, outcomes, strict=True)
        ]
        progress = job.restart(connection)
        for start in range(0, len(results), STAGED_STEP_ROWS):
            job.add_results(connection, progress, results[start : start + STAGED_STEP_ROWS])
        job.write_final_state(connection, progress, State.done)
        return progress

    job.progress = job.registry.write(commit)


TOO_MANY_REFUSED = Fault(
    "",
    ProblemCode.too_many_refused,
    Sentence(
        f"More than {MAX_REFUSED_ROWS} rows were refused; correct the first ones and send the"
        " file again",
        f"退回行数超过 {MAX_REFUSED_ROWS} 行，已停止读取，请先按前面的提示更正文件",
    ),
)
ROWS_REFUSED = Fault(
    "",
    ProblemCode.rows_refused,
    Sentence(
        "Some rows were refused, so none was recorded; see the results",
        "有行未通过，整批均未登记，请查看逐行结果",
    ),
)
TOO_MANY_ATTEMPTS = Fault(
    "",
    ProblemCode.gave_up,
    Sentence(
        "The file stopped several workers and was given up; send it in parts",
        "该文件多次导致处理中断，已停止处理，请分批提交",
    ),
)
