"""SQL of submissions: the sealed file, its lease, and the answer for every row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, case, delete, exists, func, insert, or_, select, true, update

from app.crypto import Sealed
from app.db.tables import Entry, EntryVersion, Submission, SubmissionBatch, SubmissionPart
from app.entries.queries import is_not_ended_on, is_version_at
from app.jobs.queue import LeaseLost
from app.registry import Registry
from app.rules.permissions import Caller, Role
from app.submissions.schemas import Mode, RowResult, State

WORKABLE_STATES = (State.queued, State.running, State.reversing)
COUNTER_COLUMNS = ("accepted", "replayed", "refused", "corrected", "exited", "reversed")


DRY_RUN_COUNTERS: dict[str, Any] = dict.fromkeys(("accepted", "replayed", "corrected", "exited"), 0)
"""Counters of a dry run, which records nothing."""


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
    problem: dict[str, Any] | None
    changes: dict[str, Any] | None
    held_until: datetime | None
    approval: dict[str, Any] | None
    reversal: dict[str, Any] | None

    @property
    def authority(self) -> Caller:
        """The caller with the authority for the work: who ordered the reversal, else the sender."""
        reversal = self.reversal
        if reversal is None:
            return self.caller
        actor_id = reversal["actor_id"] and UUID(reversal["actor_id"])
        return Caller(
            actor_id,
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


_COLUMNS = tuple(getattr(Submission, name) for name in SubmissionRow._fields)


def _build_row(found: Any) -> SubmissionRow | None:  # noqa: ANN401 - a row of those columns, or None
    return None if found is None else SubmissionRow._make(found)


# --- receiving -----------------------------------------------------------


def add_submission(connection: Connection, values: Mapping[str, Any]) -> None:
    """Begin a submission."""
    connection.execute(insert(Submission), [{**dict.fromkeys(COUNTER_COLUMNS, 0), **values}])


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


def find_unfinished_twin(connection: Connection, row: SubmissionRow, sha256: str) -> UUID | None:
    """An unfinished submission of the same file, for the same purpose, by the same department."""
    compared_columns = (
        "actor_department",
        "department",
        "list_type",
        "mode",
        "dry_run",
        "on_error",
        "commit_rule",
        "reason",
        "declared_rows",
    )
    return connection.scalar(
        select(Submission.id)
        .where(
            Submission.finished_at.is_(None),
            Submission.state.in_([*WORKABLE_STATES[:2], State.held]),
            Submission.sha256 == sha256,
            Submission.id != row.id,
            *(
                getattr(Submission, name).is_not_distinct_from(getattr(row, name))
                for name in compared_columns
            ),
        )
        .order_by(Submission.id)
        .limit(1)
    )


def delete_submission(connection: Connection, submission_id: UUID) -> None:
    """Let go of a file that did not arrive whole, or that is here already."""
    delete_parts(connection, [submission_id])
    connection.execute(delete(Submission).where(Submission.id == submission_id))


def delete_parts(connection: Connection, submission_ids: Iterable[UUID]) -> None:
    """Let the sealed files go; what became of their rows stays."""
    connection.execute(
        delete(SubmissionPart).where(SubmissionPart.submission_id.in_([*submission_ids]))
    )


# --- reading -------------------------------------------------------------


def get_submission(connection: Connection, submission_id: UUID) -> SubmissionRow | None:
    """One submission."""
    found = connection.execute(select(*_COLUMNS).where(Submission.id == submission_id))
    return _build_row(found.one_or_none())


def lock_submission(connection: Connection, submission_id: UUID) -> SubmissionRow | None:
    """Read one submission and lock it."""
    found = connection.execute(
        select(*_COLUMNS).where(Submission.id == submission_id).with_for_update()
    )
    return _build_row(found.one_or_none())


def read_page(
    connection: Connection,
    *,
    before: UUID | None,
    limit: int,
    department: str | None,
    state: State | None,
) -> list[SubmissionRow]:
    """Submissions, the newest first."""
    query = select(*_COLUMNS).order_by(Submission.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Submission.id < before)
    if department is not None:
        query = query.where(Submission.department == department)
    if state is not None:
        query = query.where(Submission.state == state)
    return [SubmissionRow._make(row) for row in connection.execute(query)]


class BatchRow(NamedTuple):
    """The answers for some consecutive rows."""

    number: int
    last_row: int
    results: list[RowResult]


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


def read_standing_entries(
    connection: Connection, department: str, list_type: str, day: date
) -> list[UUID]:
    """The entries of a department's list that have not ended on a day."""
    version = EntryVersion
    return list(
        connection.scalars(
            select(version.entry_id)
            .where(
                is_version_at(version, None),
                version.list_type == list_type,
                version.department == department,
                is_not_ended_on(version, day),
            )
            .order_by(version.entry_id)
        )
    )


# --- working -------------------------------------------------------------


def has_waiting(connection: Connection, now: datetime) -> bool:
    """Tell whether a submission waits for a worker."""
    return bool(connection.scalar(select(exists().where(*_is_waiting(now)))))


def claim_submission(
    connection: Connection,
    worker: str,
    now: datetime,
    leased_until: datetime,
    submission_id: UUID | None = None,
) -> SubmissionRow | None:
    """Take up the submission that has waited longest, or one; None where none waits."""
    oldest = (
        select(Submission.id)
        .where(
            *_is_waiting(now), true() if submission_id is None else Submission.id == submission_id
        )
        .order_by(Submission.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(
        update(Submission)
        .where(Submission.id == oldest.scalar_subquery())
        .values(
            worker=worker,
            leased_until=leased_until,
            attempts=Submission.attempts + 1,
            started_at=func.coalesce(Submission.started_at, now),
            state=case(
                (Submission.state == State.queued, State.running.value), else_=Submission.state
            ),
        )
        .returning(*_COLUMNS)
    )
    return _build_row(found.one_or_none())


def _is_waiting(now: datetime) -> tuple[Any, ...]:
    is_unleased = or_(Submission.leased_until.is_(None), Submission.leased_until < now)
    return (Submission.finished_at.is_(None), Submission.state.in_(WORKABLE_STATES), is_unleased)


def record_step(
    connection: Connection,
    submission_id: UUID,
    holder: str | None,
    *,
    increments: Mapping[str, int] | None = None,
    **values: Any,  # noqa: ANN401 - columns
) -> None:
    """Record the progress of a worker; `increments` holds counters to increase.

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
        .returning(Submission.id)
    )
    if updated.one_or_none() is None:
        raise LeaseLost


def release_lease(connection: Connection, submission_id: UUID, worker: str | None) -> None:
    """Give a lease back before it runs out."""
    connection.execute(
        update(Submission)
        .where(
            Submission.id == submission_id,
            Submission.worker.is_not_distinct_from(worker),
            Submission.finished_at.is_(None),
        )
        .values(leased_until=None, attempts=0)
    )


def add_batch(
    connection: Connection,
    submission_id: UUID,
    number: int,
    last_row: int,
    results: Sequence[RowResult],
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


def delete_batches(connection: Connection, submission_id: UUID) -> None:
    """Take answers back that were given before a second look."""
    connection.execute(
        delete(SubmissionBatch).where(SubmissionBatch.submission_id == submission_id)
    )


# --- minding -------------------------------------------------------------


def has_expired_approval(connection: Connection, now: datetime) -> bool:
    """Tell whether something was not approved in time."""
    return bool(connection.scalar(select(exists().where(*_is_expired(now)))))


def _is_expired(now: datetime) -> tuple[Any, ...]:
    return (
        Submission.finished_at.is_(None),
        Submission.state == State.held,
        Submission.held_until < now,
    )


def expire_approvals(connection: Connection, now: datetime) -> list[SubmissionRow]:
    """Expire full lists that were not approved in time; return them."""
    expired = connection.execute(
        update(Submission)
        .where(*_is_expired(now))
        .values(state=State.lapsed.value, finished_at=now, **DRY_RUN_COUNTERS)
        .returning(*_COLUMNS)
    )
    return [SubmissionRow._make(row) for row in expired]


def count_unfinished(connection: Connection, caller: Caller) -> int:
    """Count unfinished files of a department, or of a key without a department."""
    same_sender = (
        Submission.actor_department == caller.department
        if caller.department
        else Submission.actor_id.is_not_distinct_from(caller.id)
    )
    query = select(func.count()).where(Submission.finished_at.is_(None), same_sender)
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


def find_abandoned(connection: Connection, cutoff: datetime) -> list[UUID]:
    """Files whose sender went away in the middle, before an instant."""
    return list(
        connection.scalars(
            select(Submission.id).where(
                Submission.finished_at.is_(None),
                Submission.state == State.receiving,
                Submission.received_at < cutoff,
            )
        )
    )


def find_expired_files(connection: Connection, cutoff: datetime) -> list[UUID]:
    """Submissions whose answer was given before an instant, and whose file is still here."""
    return list(
        connection.scalars(
            select(Submission.id)
            .where(
                Submission.finished_at < cutoff,
                exists().where(SubmissionPart.submission_id == Submission.id),
            )
            .limit(20)
        )
    )


def release_references(connection: Connection, source_ref_by_entry: Mapping[UUID, str]) -> None:
    """Let references that entries bore be used again."""
    for entry_id, source_ref in source_ref_by_entry.items():
        connection.execute(
            update(Entry)
            .where(Entry.id == entry_id)
            # No client can send a control character, so no other entry has this reference.
            .values(source_ref=f"\x1freversed:{entry_id}", freed_ref=source_ref)
        )


def find_built_upon(
    connection: Connection, version_by_entry: Mapping[UUID, int], action_digest: str
) -> list[UUID]:
    """Entries that have another version now than the one given, but one that an action made."""
    version = EntryVersion
    current = connection.execute(
        select(version.entry_id, version.version).where(
            is_version_at(version, None),
            version.entry_id.in_(version_by_entry.keys()),
            version.action_digest != action_digest,
        )
    )
    return [row.entry_id for row in current if row.version != version_by_entry[row.entry_id]]


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
