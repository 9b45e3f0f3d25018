"""Working a submission off: rows become entries in steps near 50 ms, each with its answers.

A step's entries, its rows' answers and the count of rows read are one transaction, and it names the
worker that holds the lease. So whoever is killed leaves a whole number of steps, and whoever takes
over goes on behind the last one: every row is recorded once.

What is looked at as a whole (a dry run, all or nothing, a full list) is rehearsed first, without a
lock; where it is to be recorded, that is one transaction.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.db.engines import Connection, DatabaseError
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
from app.http.request_id import set_request_id
from app.jobs.queue import Cancelled, LeaseLost
from app.registry import Registry
from app.subjects.service import lock_subjects
from app.submissions.formats.source_file import SourceRow
from app.submissions.processing import full_replace, reversal, row_results
from app.submissions.processing.job import Job, Outcome, Progress
from app.submissions.schemas import CommitRule, Mode, OnError, Result, RowOutcome, State
from app.submissions.store import SubmissionRow

log = logging.getLogger("redblack.submissions")

STEP_SECONDS = 0.05
FIRST_STEP_ROWS, LARGEST_STEP_ROWS = 100, 1_000
WHOLE_STEP_ROWS = 250
MOST_ATTEMPTS = 5
MOST_REFUSED = 20_000


class NotWhole(Exception):
    """A row was refused while all were being recorded at once; nothing was."""


def work(
    registry: Registry,
    row: SubmissionRow,
    stopping: threading.Event | None = None,
    *,
    most_rows: int | None = None,
) -> None:
    """Work a claimed submission to its end, or to where a second person is needed.

    Whatever is wrong with the file becomes part of its answer; where the database is away, the
    lease runs out and somebody takes the submission up again. Behind `most_rows` that were recorded
    row by row it is let go, for another worker to go on.

    Raises:
        Cancelled: `stopping` was set; it goes no further than the step at which it is.
    """
    set_request_id(row.request_id or str(row.id))
    try:
        job = Job(registry, row, stopping or threading.Event())
        if row.attempts > MOST_ATTEMPTS:
            job.end(_broken_off(job), InvalidPayload(faults=[GAVE_UP]))
            return
        _work(job, most_rows)
    except LeaseLost:
        log.warning("submission %s was taken up by another worker", row.id)


def _work(job: Job, most_rows: int | None) -> None:
    row = job.row
    try:
        if row.state == State.reversing:
            reversal.take_back(job)
        elif row.mode == Mode.whole:
            full_replace.replace_list(job)
        elif row.dry_run or row.commit_rule == CommitRule.all_or_nothing:
            _as_a_whole(job)
        else:
            _row_by_row(job, most_rows)
    except (LeaseLost, Cancelled, DatabaseError, Unavailable):
        raise  # not the file's fault: somebody goes on where this worker ends
    except RegistryError as refusal:
        # What was recorded before it stays recorded, and is told.
        job.end(_broken_off(job), refusal)
    except Exception as failure:  # whatever it is, the file must not kill the next worker as well
        log.exception("submission %s failed: %s", row.id, type(failure).__name__)
        job.end(_broken_off(job), InternalError())


def _broken_off(job: Job) -> State:
    """Stopped where rows before it stand (or would); of what is taken as a whole, none does."""
    row = job.row
    if row.state == State.reversing:
        return State.stopped  # what was not taken back yet still stands
    whole = row.mode == Mode.whole or row.commit_rule == CommitRule.all_or_nothing
    return State.stopped if job.progress.batches and not whole else State.refused


# --- row by row ----------------------------------------------------------


class Pace:
    """How many rows go into a step, so that nobody waits longer than it should take."""

    def __init__(self) -> None:
        self.rows = FIRST_STEP_ROWS

    def took(self, rows: int, seconds: float) -> None:
        """Fit the next step to what the last one took."""
        fitting = int(rows * STEP_SECONDS / max(seconds, 0.001))
        # Not more than double: one quick step may have been all replays.
        self.rows = max(1, min(fitting, 2 * self.rows, LARGEST_STEP_ROWS))


def _row_by_row(job: Job, most_rows: int | None) -> None:
    stop = job.row.on_error == OnError.stop
    if stop and job.row.refused:  # a worker before this one died between its last step and the end
        job.end(State.stopped)
        return
    pace, refusals = Pace(), job.row.refused
    for rows in job.slices(lambda: pace.rows, after=job.progress.last_row):
        record_status_changes_until_today(job.registry)
        seconds, refused = _record(job, rows, job.propose(rows), stop=stop)
        pace.took(len(rows), seconds)
        if stop and refused:
            job.end(State.stopped)
            return
        refusals += refused
        if refusals > MOST_REFUSED:
            raise InvalidPayload(faults=[MOSTLY_REFUSED])
        if most_rows is not None and job.progress.rows_read >= most_rows:
            job.let_go()
            return
    _end_behind_last(job)


def _end_behind_last(job: Job) -> None:
    try:
        job.require_declared(job.progress.rows_read)
    except InvalidPayload as another_count:
        job.end(State.done, another_count)
    else:
        job.end(State.done)


def _record(
    job: Job, rows: Sequence[SourceRow], proposed: Sequence[Proposal | RegistryError], *, stop: bool
) -> tuple[float, int]:
    """Record one step; how many seconds others had to wait for it, and how many were refused.

    With `stop` the answers end with the first refusal.
    """

    def record(connection: Connection) -> tuple[Progress, float, int]:
        began, progress = time.perf_counter(), replace(job.progress)
        outcomes = record_proposals(
            job.registry, connection, job.row.caller, proposed, stop_at_refusal=stop
        )
        results = [job.answer(row, item) for row, item in zip(rows, outcomes, strict=not stop)]
        job.put(connection, progress, results, attempts=0)
        refused = sum(isinstance(item, RegistryError) for item in outcomes)
        return progress, time.perf_counter() - began, refused

    job.progress, seconds, refused = job.registry.write(record)
    return seconds, refused


# --- as a whole ----------------------------------------------------------


def _as_a_whole(job: Job) -> None:
    row = job.row
    for _ in range(MOST_ATTEMPTS):
        held = _rehearse(job)
        if row.commit_rule == CommitRule.valid_rows:  # a dry run ends as the real one would
            if held is None and row.on_error == OnError.stop:
                job.end(State.stopped)
            else:
                _end_behind_last(job)
            return
        if held is None:
            job.end(State.refused, InvalidPayload(faults=[ROWS_REFUSED]))
            return
        if row.dry_run:
            job.end(State.done)
            return
        try:
            _turn_on(job, held)
        except (NotReady, NotWhole):
            continue  # others recorded some of it meanwhile: another look will say what
        return
    raise NotReady(retry_after=1)


@dataclass(slots=True)
class Held:
    """Rows that were found sound together, and what they propose."""

    rehearsal: DryRun
    rows: list[SourceRow] = field(default_factory=list)
    proposed: list[Proposal | RegistryError] = field(default_factory=list)


def _rehearse(job: Job) -> Held | None:
    """Answer every row without recording any; None where one of them is refused."""
    registry, sent = job.registry, job.row
    stop = sent.on_error == OnError.stop
    whole = sent.commit_rule == CommitRule.all_or_nothing
    job.progress = registry.write(job.begin_anew)
    held, sound = Held(DryRun(registry, sent.caller)), True
    record_status_changes_until_today(registry)
    for rows in job.slices(lambda: WHOLE_STEP_ROWS, after=0):
        job.require_held(len(rows))
        proposed = job.propose(rows)
        outcomes = held.rehearsal.decide_all(proposed, stop_at_refusal=stop)
        job.tell([_rehearsed(job, *told) for told in zip(rows, outcomes, strict=not stop)])
        sound = sound and not any(isinstance(item, RegistryError) for item in outcomes)
        if stop and not sound:
            return None
        if whole and sound and not sent.dry_run:
            held.rows += map(row_results.without_content, rows)
            held.proposed += proposed
    if whole:
        job.require_declared(job.progress.rows_read)
    return held if sound else None


def _rehearsed(job: Job, row: SourceRow, outcome: Outcome) -> Result:
    result = job.answer(row, outcome, recorded=False)
    if result["outcome"] == RowOutcome.accepted and not job.row.dry_run:
        return result | {"outcome": RowOutcome.sound.value}
    return result


def _turn_on(job: Job, held: Held) -> None:
    def whole(connection: Connection) -> None:
        # All at once and first, in their order, so that two such files do not wait for each other.
        lock_subjects(connection, held.rehearsal.recorded_subject_ids)
        outcomes = record_proposals(
            job.registry, connection, job.row.caller, held.proposed, stop_at_refusal=True
        )
        if isinstance(outcomes[-1], RegistryError):
            raise NotWhole
        results = [job.answer(row, item) for row, item in zip(held.rows, outcomes, strict=True)]
        progress = job.begin_anew(connection)
        for start in range(0, len(results), WHOLE_STEP_ROWS):
            job.put(connection, progress, results[start : start + WHOLE_STEP_ROWS])
        job.finish(connection, State.done)

    job.registry.write(whole)


MOSTLY_REFUSED = Fault(
    "",
    ProblemCode.too_many_refused,
    Sentence(
        f"More than {MOST_REFUSED} rows were refused; what the first say is to be mended first",
        f"退回行数超过 {MOST_REFUSED} 行，已停止读取，请先按前面的提示更正文件",
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
GAVE_UP = Fault(
    "",
    ProblemCode.gave_up,
    Sentence(
        "The file stopped several workers and was given up; send it in parts",
        "该文件多次导致处理中断，已停止处理，请分批提交",
    ),
)
