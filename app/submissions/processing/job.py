"""One submission in one worker's hands: its rows, its lease, and what is written of both."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import NamedTuple, Unpack
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.db.engines import Connection
from app.db.tables.submissions import StoredRowResult
from app.entries.service import Proposal, RecordingResult, prepare_proposals
from app.errors import Fault, InvalidPayload, ProblemCode, RegistryError, Sentence
from app.http.request_bodies import KNOWN_NUMBER_IN_TEXT, list_parts
from app.jobs.queue import Cancelled
from app.registry import Registry
from app.rules.law import Catalogue
from app.rules.numbers_in_hand import Number, NumbersInHand, may_hold_number
from app.submissions import views
from app.submissions.mapping.source_file import SourceFile, SourceRow
from app.submissions.schemas import Mode, RowOutcome, State
from app.submissions.store import jobs, submissions
from app.submissions.store.submissions import StepColumns, SubmissionRow
from app.submissions.upload.encrypted_file import StoredFile

log = logging.getLogger("redblack.submissions")

RowRecording = RecordingResult | RegistryError


@dataclass(slots=True)
class Progress:
    """Committed progress: the submission, and the number of its last batch and last row."""

    row: SubmissionRow
    batches: int = 0
    last_row: int = 0
    rows_read: int = 0
    results: tuple[StoredRowResult, ...] | None = None
    """Row results for the request that sent the file; None if it does not show them."""


class RowSlice(NamedTuple):
    """Some consecutive rows of a file."""

    rows: list[SourceRow]
    is_last: bool


class ProcessedSubmission(NamedTuple):
    """A submission after processing, with the results and the refusal that are in memory."""

    row: SubmissionRow
    results: tuple[StoredRowResult, ...] | None = None
    problem: RegistryError | None = None


@dataclass(slots=True)
class SubmissionJob:
    """A claimed submission.

    `progress` is the committed state. A transaction works on a copy of it, because it may run
    again.
    """

    registry: Registry
    row: SubmissionRow
    stop_requested: threading.Event = field(default_factory=threading.Event)
    content: bytes | None = None
    """The file, if it was received just now; else it is read from its encrypted parts."""
    max_results: int = 0
    """Number of row results to keep in memory; with more, none are kept."""
    problem: RegistryError | None = field(init=False, default=None)
    file: SourceFile = field(init=False)
    progress: Progress = field(init=False)
    _renewed_at: float = field(init=False, default_factory=time.monotonic)
    _provisional_ids: set[UUID] = field(init=False, default_factory=set)
    """Ids of a dry run, which a second row of the same reference would otherwise show."""

    def __post_init__(self) -> None:
        registry, row = self.registry, self.row
        batches = last_row = 0
        with registry.database.reading() as connection:
            catalogue = read_current_catalogue(registry, connection)
            if self.content is None:
                batches, last_row = submissions.find_last_batch(connection, row.id)
        self.progress = Progress(row, batches, last_row, row.rows_read, self._no_results)
        file = open_source_file(registry, row, catalogue, self.content)
        self.file = replace(file, on_wait=self.renew_lease)

    @property
    def _no_results(self) -> tuple[StoredRowResult, ...] | None:
        return () if self.max_results else None

    @property
    def outcome(self) -> ProcessedSubmission:
        """The committed state of the submission."""
        return ProcessedSubmission(self.progress.row, self.progress.results, self.problem)

    # --- rows ------------------------------------------------------------

    def read_slices(
        self, get_batch_size: Callable[[], int], *, after_row: int
    ) -> Iterator[RowSlice]:
        """Read the rows behind a number in slices; one row is read ahead to know the last slice.

        Raises:
            InvalidPayload: the file cannot be read any further, behind the last row before that.
            Cancelled: the process is to end.
        """
        remaining_rows = self._skip_done_rows(after_row)
        next_rows: list[SourceRow] = []
        is_last = False
        while not is_last:
            self.raise_if_cancelled()
            batch = next_rows
            try:
                batch.extend(islice(remaining_rows, get_batch_size() - len(batch)))
                next_rows = list(islice(remaining_rows, 1))
            except InvalidPayload:
                if batch:  # how far a file is read does not depend on the size of a step
                    yield RowSlice(batch, is_last=False)
                raise
            is_last = not next_rows
            if batch:
                yield RowSlice(batch, is_last)

    def raise_if_cancelled(self) -> None:
        """Go no further where the process is to end.

        Raises:
            Cancelled: it is.
        """
        if self.stop_requested.is_set():
            raise Cancelled

    def _skip_done_rows(self, after_row: int) -> Iterator[SourceRow]:
        for row in self.file.read_rows():
            if row.number > after_row:
                yield row
            else:
                self.renew_lease()  # to come back to where another was may take longer than a lease

    def prepare_proposals(self, rows: Sequence[SourceRow]) -> list[Proposal | RegistryError]:
        """Compute the results of rows without recording them."""
        submission = self.row
        self.require_clean_reasons(
            number for row in rows for number in list_parts(row.body).numbers
        )
        pushes = [
            row.build_push(list_type=submission.list_type, department=submission.department)
            for row in rows
        ]
        return prepare_proposals(
            self.registry, submission.caller, pushes, is_dry_run=submission.dry_run
        )

    def require_clean_reasons(self, numbers: Iterable[Number]) -> None:
        """Refuse the file if a reason of the submission holds one of some personal numbers.

        The reasons are erased first: they arrived before the rows and were kept.

        Raises:
            InvalidPayload: a reason holds a number.
        """
        row = self.row
        reasons = [row.reason or "", row.approval["reason"] if row.approval else ""]
        if not may_hold_number(reasons) or not NumbersInHand.of(numbers).find_texts(reasons):
            return
        values: StepColumns = {"reason": None}
        if row.approval:
            values["approval"] = {**row.approval, "reason": ERASED_TEXT}
        self.registry.write(lambda connection: self.record_step(connection, **values))
        raise InvalidPayload(
            faults=[Fault("?reason", ProblemCode.personal_number_in_text, KNOWN_NUMBER_IN_TEXT)]
        )

    def build_results(
        self, row: SourceRow, outcome: RowRecording, *, is_recorded: bool = True
    ) -> StoredRowResult:
        """Build the result of a row; the id of an entry that is not recorded yet is left out."""
        if isinstance(outcome, RegistryError):
            return views.build_refused_result(row, outcome)
        if not is_recorded and not outcome.replayed:
            self._provisional_ids.add(outcome.entry_id)
        shown_entry_id = None if outcome.entry_id in self._provisional_ids else outcome.entry_id
        row_outcome = RowOutcome.replayed if outcome.replayed else RowOutcome.accepted
        return views.build_accepted_result(row, row_outcome, shown_entry_id)

    def require_declared_count(self, rows_read: int) -> None:
        """Refuse a file with another number of rows than its sender declared.

        Raises:
            InvalidPayload: the file was truncated, or is another one.
        """
        if (refusal := self.find_count_fault(rows_read)) is not None:
            raise refusal

    def find_count_fault(self, rows_read: int) -> InvalidPayload | None:
        """Return the refusal of a file with another number of rows than declared, or None."""
        if self.row.declared_rows in {None, rows_read}:
            return None
        return InvalidPayload(faults=[ROW_COUNT_DIFFERS])

    def require_holdable_count(self, added_rows: int) -> None:
        """Refuse to hold more rows at once than the settings allow.

        Raises:
            InvalidPayload: the file has more rows.
        """
        max_rows = self.registry.settings.submission_held_rows
        if self.progress.rows_read + added_rows > max_rows:
            raise InvalidPayload(
                faults=[
                    Fault(
                        "",
                        ProblemCode.too_many_rows,
                        WHOLE_LIST_LIMIT
                        if self.row.mode == Mode.full_replace
                        else _split_in_parts(max_rows),
                    )
                ]
            )

    # --- steps -----------------------------------------------------------

    def add_results(
        self,
        connection: Connection,
        progress: Progress,
        results: Sequence[StoredRowResult],
        columns: StepColumns | None = None,
    ) -> None:
        """Record the results of some rows in the transaction that records the rows."""
        row_numbers = [result["row"] for result in results if "row" in result]
        progress.batches += 1
        progress.rows_read += len(row_numbers)
        progress.last_row = max(row_numbers, default=progress.last_row)
        # The step first: a worker without the lease finds batches of those numbers there already.
        step_columns: StepColumns = {**(columns or {}), "rows_read": progress.rows_read}
        progress.row = self.record_step(
            connection, increments=count_outcomes(results), **step_columns
        )
        submissions.add_batch(connection, self.row.id, progress.batches, progress.last_row, results)
        if progress.results is not None:
            kept_results = (*progress.results, *results)
            progress.results = kept_results if len(kept_results) <= self.max_results else None

    def set_progress(self, results: Sequence[StoredRowResult]) -> None:
        """Record results that record no entry, in a transaction of their own."""

        def write(connection: Connection) -> Progress:
            progress = replace(self.progress)
            self.add_results(connection, progress, results)
            return progress

        self.progress = self.registry.write(write)

    def record_step(
        self,
        connection: Connection,
        *,
        increments: Mapping[str, int] | None = None,
        **values: Unpack[StepColumns],
    ) -> SubmissionRow:
        """Extend the lease and record the progress.

        `attempts` starts again at zero, because the next worker does not have to repeat this step.

        Raises:
            LeaseLost: another worker has the lease.
        """
        lease_duration = timedelta(seconds=self.registry.settings.tuning.submission_lease_seconds)
        progress_values: StepColumns = {
            "leased_until": self.registry.clock.now() + lease_duration,
            "bytes_read": min(self.file.bytes_read, self.row.bytes),
        }
        if self.file.format is not None:
            progress_values["format"] = self.file.format.value
        row = submissions.record_step(
            connection,
            self.row.id,
            self.row.worker,
            increments=increments,
            **(progress_values | values),
        )
        self._renewed_at = time.monotonic()
        return row

    def renew_lease(self) -> None:
        """Hold on to the lease while nothing is written for long."""
        if (
            time.monotonic() - self._renewed_at
            > self.registry.settings.tuning.submission_lease_seconds / 4
        ):
            self.registry.write(self.record_step)

    def release_lease(self) -> None:
        """Release the lease, so that another worker can continue."""
        row = self.row
        self.registry.write(lambda connection: jobs.release_lease(connection, row.id, row.worker))

    def restart(self, connection: Connection) -> Progress:
        """Delete all results, none of which recorded an entry."""
        row = self.record_step(connection, **submissions.NO_PROGRESS)
        submissions.delete_batches(connection, self.row.id)
        return Progress(row, results=self._no_results)

    def restart_if_begun(self) -> None:
        """Delete the results of an earlier attempt, if there are some."""
        if self.progress.batches:
            self.progress = self.registry.write(self.restart)

    def build_final_columns(
        self, state: State, problem: RegistryError | None = None
    ) -> StepColumns:
        """Build the columns of a submission that ends in a state, maybe with a refusal."""
        values: StepColumns = {
            "state": state.value,
            "finished_at": self.registry.clock.now(),
            "leased_until": None,
        }
        if problem is not None:
            values["problem"] = views.build_problem(problem)
        return values

    def audit_final_state(self, connection: Connection, state: State) -> None:
        """Add the audit record of the end, in the transaction of the end."""
        submission = self.row
        record = audit.build_record(
            submission.authority,
            self.registry.clock.now(),
            AuditAction.submission_finished,
            "done",
            submission.id,
            state=state.value,
            list_type=submission.list_type,
            mode=submission.mode,
            dry_run=submission.dry_run,
        )
        audit.record_changes(connection, [record])

    def write_final_state(
        self,
        connection: Connection,
        progress: Progress,
        state: State,
        problem: RegistryError | None = None,
        columns: StepColumns | None = None,
    ) -> None:
        """Record the end of the submission."""
        final_columns = self.build_final_columns(state, problem)
        progress.row = self.record_step(connection, **final_columns | (columns or {}))
        self.audit_final_state(connection, state)

    def commit_final_state(
        self,
        state: State,
        problem: RegistryError | None = None,
        columns: StepColumns | None = None,
    ) -> None:
        """Record the end of the submission in a transaction of its own."""

        def write(connection: Connection) -> Progress:
            progress = replace(self.progress)
            self.write_final_state(connection, progress, state, problem, columns)
            return progress

        self.progress = self.registry.write(write)
        self.problem = problem


def open_source_file(
    registry: Registry, row: SubmissionRow, catalogue: Catalogue, content: bytes | None = None
) -> SourceFile:
    """Open the file of a submission, or its content in memory, for its list type and department."""
    return SourceFile(
        read_chunks=StoredFile(registry, row).read_parts if content is None else lambda: (content,),
        catalogue=catalogue,
        list_type=row.list_type,
        department=row.department,
    )


def count_outcomes(results: Sequence[StoredRowResult]) -> dict[str, int]:
    """Count rows by outcome."""
    outcomes = [result["outcome"] for result in results]
    return {name: outcomes.count(name) for name in submissions.COUNTER_COLUMNS}


ERASED_TEXT = "已清除 / erased"


def _split_in_parts(max_rows: int) -> Sentence:
    return Sentence(
        f"At most {max_rows} rows are judged as a whole (dry_run, all_or_nothing); send the file"
        " in parts",
        f"试运行和整批提交（all_or_nothing）最多 {max_rows} 行，请分批提交",
    )


WHOLE_LIST_LIMIT = Sentence(
    "The list is longer than is replaced at once; never send it in parts, for each would remove the"
    " others: ask the credit office to raise the limit",
    "名单行数超过全量替换上限；切勿分批替换（每一批都会移出其他批次的条目），请联系信用办调整上限",
)
ROW_COUNT_DIFFERS = Fault(
    "?rows",
    ProblemCode.row_count_differs,
    Sentence(
        "The file holds another number of rows than was declared; was it cut off?",
        "文件行数与申报的 rows 不一致，请检查文件是否完整",
    ),
)
