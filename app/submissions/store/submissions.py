"""SQL of submissions, their encrypted parts and their row results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from app.crypto import Sealed
from app.db.tables import Submission, SubmissionBatch, SubmissionPart
from app.db.tables.submissions import (
    StoredListChanges,
    StoredProblem,
    StoredRowResult,
    StoredSubmissionStep,
)
from app.jobs.queue import LeaseLost
from app.registry import Registry
from app.rules.permissions import Caller, Role
from app.submissions.schemas import Mode, State, SubmissionOptions

WORKABLE_STATES = (State.queued, State.running, State.reversing)
COUNTER_COLUMNS = ("accepted", "replayed", "refused", "corrected", "exited", "reversed")


class StepColumns(TypedDict, total=False):
    """Columns of a submission that a step may change."""

    state: str
    format: str
    reason: str | None
    bytes: int
    sha256: str | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    leased_until: datetime | None
    attempts: int
    rows_read: int
    accepted: int
    replayed: int
    refused: int
    corrected: int
    exited: int
    reversed: int
    bytes_read: int
    problem: StoredProblem
    changes: StoredListChanges
    held_until: datetime | None
    approval: StoredSubmissionStep | None
    reversal: StoredSubmissionStep


DRY_RUN_COUNTERS: StepColumns = {"accepted": 0, "replayed": 0, "corrected": 0, "exited": 0}
"""Counters of a submission that recorded nothing, without its refused rows."""
NO_PROGRESS: StepColumns = {**DRY_RUN_COUNTERS, "refused": 0, "reversed": 0, "rows_read": 0}


class SubmissionRow(NamedTuple):
    """One submission."""

    id: UUID
    state: str
    department: str | None
    list_type: str | None
    mode: str
    dry_run: bool
    on_error: str
    commit_rule: str
    reason: str | None
    declared_rows: int | None
    format: str | None
    bytes: int
    sha256: str | None
    actor_id: UUID | None
    actor_name: str
    role: str
    actor_department: str | None
    person: str | None
    request_id: str | None
    received_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker: str | None = None
    leased_until: datetime | None = None
    attempts: int = 0
    rows_read: int = 0
    accepted: int = 0
    replayed: int = 0
    refused: int = 0
    corrected: int = 0
    exited: int = 0
    reversed: int = 0
    bytes_read: int = 0
    problem: StoredProblem | None = None
    changes: StoredListChanges | None = None
    held_until: datetime | None = None
    approval: StoredSubmissionStep | None = None
    reversal: StoredSubmissionStep | None = None

    @property
    def authority(self) -> Caller:
        """The caller with the authority for the work: who ordered the reversal, else the sender."""
        reversal = self.reversal
        if reversal is None:
            return self.caller
        return Caller(
            UUID(reversal["actor_id"]) if reversal["actor_id"] else None,
            reversal["by"],
            Role(reversal["role"]),
            reversal["department"],
            reversal["person"],
        )

    @property
    def caller(self) -> Caller:
        """The caller who sent the file; later recorded rows count as recorded by this caller."""
        return Caller(
            self.actor_id, self.actor_name, Role(self.role), self.actor_department, self.person
        )


SUBMISSION_COLUMNS = tuple(getattr(Submission, name) for name in SubmissionRow._fields)


def build_row(found: Row[Any] | None) -> SubmissionRow | None:
    """Build a submission from a row of `SUBMISSION_COLUMNS`."""
    return None if found is None else SubmissionRow._make(found)


def add_submission(connection: Connection, row: SubmissionRow) -> None:
    """Insert a submission."""
    values = {name: value for name, value in row._asdict().items() if value is not None}
    connection.execute(insert(Submission), [values])


def find_unfinished_twin(connection: Connection, row: SubmissionRow) -> SubmissionRow | None:
    """Find an unfinished submission of the same file, for the same purpose, by the same sender."""
    compared_columns = ("sha256", "actor_department", *SubmissionOptions.model_fields)
    found = connection.execute(
        select(*SUBMISSION_COLUMNS)
        .where(
            Submission.finished_at.is_(None),
            Submission.state.in_([*WORKABLE_STATES[:2], State.held]),
            Submission.id != row.id,
            *(
                getattr(Submission, name).is_not_distinct_from(getattr(row, name))
                for name in compared_columns
            ),
        )
        .order_by(Submission.id)
        .limit(1)
    )
    return build_row(found.one_or_none())


def delete_submission(connection: Connection, submission_id: UUID) -> None:
    """Let go of a file that did not arrive whole, or that is here already."""
    delete_parts(connection, [submission_id])
    connection.execute(delete(Submission).where(Submission.id == submission_id))


def get_submission(connection: Connection, submission_id: UUID) -> SubmissionRow | None:
    """One submission."""
    found = connection.execute(select(*SUBMISSION_COLUMNS).where(Submission.id == submission_id))
    return build_row(found.one_or_none())


def lock_submission(connection: Connection, submission_id: UUID) -> SubmissionRow | None:
    """Read one submission and lock it."""
    found = connection.execute(
        select(*SUBMISSION_COLUMNS).where(Submission.id == submission_id).with_for_update()
    )
    return build_row(found.one_or_none())


def read_page(
    connection: Connection,
    *,
    before: UUID | None,
    limit: int,
    department: str | None,
    state: State | None,
) -> list[SubmissionRow]:
    """Submissions, the newest first."""
    query = select(*SUBMISSION_COLUMNS).order_by(Submission.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Submission.id < before)
    if department is not None:
        query = query.where(Submission.department == department)
    if state is not None:
        query = query.where(Submission.state == state)
    return [SubmissionRow._make(row) for row in connection.execute(query)]


def count_unfinished(connection: Connection, caller: Caller, now: datetime) -> int:
    """Count unfinished files of a department, or of a key without a department.

    A file that was arriving counts as long as its lease.
    """
    same_sender = (
        Submission.actor_department == caller.department
        if caller.department
        else Submission.actor_id.is_not_distinct_from(caller.id)
    )
    is_alive = or_(Submission.state != State.receiving, Submission.leased_until >= now)
    query = select(func.count()).where(Submission.finished_at.is_(None), same_sender, is_alive)
    return connection.scalar(query) or 0


def count_removed_since(
    connection: Connection, department: str, list_type: str, since: datetime
) -> int:
    """Count entries that full lists removed since an instant without approval."""
    rows = connection.execute(
        select(Submission.exited, Submission.approval).where(
            Submission.finished_at >= since,
            Submission.department == department,
            Submission.list_type == list_type,
            Submission.mode == Mode.full_replace.value,
            Submission.state == State.done,
            ~Submission.dry_run,
        )
    )
    return sum(row.exited for row in rows if row.approval is None)


def record_step(
    connection: Connection,
    submission_id: UUID,
    holder: str | None,
    *,
    increments: Mapping[str, int] | None = None,
    **values: Unpack[StepColumns],
) -> SubmissionRow:
    """Record the progress of a worker; return the submission.

    `increments` holds counters to increase.

    Raises:
        LeaseLost: another worker has the lease.
    """
    incremented = {
        name: getattr(Submission, name) + count
        for name, count in (increments or {}).items()
        if count
    }
    updated = connection.execute(
        update(Submission)
        .where(Submission.id == submission_id, Submission.worker.is_not_distinct_from(holder))
        .values(**values, **incremented)
        .returning(*SUBMISSION_COLUMNS)
    )
    row = build_row(updated.one_or_none())
    if row is None:
        raise LeaseLost
    return row


# --- parts ---------------------------------------------------------------


def add_part(connection: Connection, submission_id: UUID, number: int, sealed: Sealed) -> None:
    """Keep the next piece of the file."""
    connection.execute(
        insert(SubmissionPart),
        [
            {
                "submission_id": submission_id,
                "number": number,
                "content": sealed.ciphertext,
                "key_id": sealed.key_id,
            }
        ],
    )


def read_part(connection: Connection, submission_id: UUID, number: int) -> Sealed | None:
    """A piece of the file; None behind the last."""
    found = connection.execute(
        select(SubmissionPart.content, SubmissionPart.key_id).where(
            SubmissionPart.submission_id == submission_id, SubmissionPart.number == number
        )
    ).one_or_none()
    return found and Sealed(found.content, found.key_id)


def delete_parts(connection: Connection, submission_ids: Iterable[UUID]) -> None:
    """Let the sealed files go; what became of their rows stays."""
    connection.execute(
        delete(SubmissionPart).where(SubmissionPart.submission_id.in_([*submission_ids]))
    )


# --- results -------------------------------------------------------------


class BatchRow(NamedTuple):
    """The answers for some consecutive rows."""

    number: int
    last_row: int
    results: list[StoredRowResult]


def add_batch(
    connection: Connection,
    submission_id: UUID,
    number: int,
    last_row: int,
    results: Sequence[StoredRowResult],
) -> None:
    """Keep the answers for some rows, in the transaction that makes them true."""
    refused_count = sum(result["outcome"] == "refused" for result in results)
    connection.execute(
        insert(SubmissionBatch),
        [
            {
                "submission_id": submission_id,
                "number": number,
                "last_row": last_row,
                "refused": refused_count,
                "results": results,
            }
        ],
    )


def read_batches(
    connection: Connection, submission_id: UUID, after_number: int, *, refused_only: bool = False
) -> list[BatchRow]:
    """The next few batches of answers behind one; only those with a refused row, if asked."""
    batch = SubmissionBatch
    query = (
        select(batch.number, batch.last_row, batch.results)
        .where(batch.submission_id == submission_id, batch.number > after_number)
        .order_by(batch.number)
        .limit(4)
    )
    if refused_only:
        query = query.where(batch.refused > 0)
    return [BatchRow._make(row) for row in connection.execute(query)]


def find_last_batch(connection: Connection, submission_id: UUID) -> tuple[int, int]:
    """The number of the last batch that was written, and its last row; zeros before the first."""
    batch = SubmissionBatch
    found = connection.execute(
        select(batch.number, batch.last_row)
        .where(batch.submission_id == submission_id)
        .order_by(batch.number.desc())
        .limit(1)
    ).one_or_none()
    return (found.number, found.last_row) if found else (0, 0)


def read_all_batches_in(connection: Connection, submission_id: UUID) -> Iterator[BatchRow]:
    """All batches of answers, a few at a time, on one connection."""
    after_number = 0
    while found := read_batches(connection, submission_id, after_number):
        yield from found
        after_number = found[-1].number


def read_all_batches(
    registry: Registry, submission_id: UUID, *, refused_only: bool = False
) -> Iterator[BatchRow]:
    """Read all batches of results, a few per query."""
    after_number = 0
    while True:
        with registry.database.reading() as connection:
            found = read_batches(connection, submission_id, after_number, refused_only=refused_only)
        if not found:
            return
        yield from found
        after_number = found[-1].number


def delete_batches(connection: Connection, submission_id: UUID) -> None:
    """Take answers back that were given before a second look."""
    connection.execute(
        delete(SubmissionBatch).where(SubmissionBatch.submission_id == submission_id)
    )
