"""SQL of submissions as jobs: claims and leases, and terms that expire."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, exists, func, or_, select, true, update

from app.db.tables import Submission, SubmissionPart
from app.submissions.schemas import State
from app.submissions.store.submissions import (
    DRY_RUN_COUNTERS,
    SUBMISSION_COLUMNS,
    WORKABLE_STATES,
    SubmissionRow,
    build_row,
    delete_submission,
)


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
        .returning(*SUBMISSION_COLUMNS)
    )
    return build_row(found.one_or_none())


def _is_waiting(now: datetime) -> tuple[ColumnElement[bool], ...]:
    is_unleased = or_(Submission.leased_until.is_(None), Submission.leased_until < now)
    return (Submission.finished_at.is_(None), Submission.state.in_(WORKABLE_STATES), is_unleased)


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


def has_expired_approval(connection: Connection, now: datetime) -> bool:
    """Tell whether something was not approved in time."""
    return bool(connection.scalar(select(exists().where(*_is_expired(now)))))


def _is_expired(now: datetime) -> tuple[ColumnElement[bool], ...]:
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
        .returning(*SUBMISSION_COLUMNS)
    )
    return [SubmissionRow._make(row) for row in expired]


def find_abandoned(connection: Connection, now: datetime) -> list[UUID]:
    """Files that were arriving and whose lease ran out: their server or sender is gone."""
    return list(connection.scalars(select(Submission.id).where(*_is_abandoned(now))))


def delete_abandoned(connection: Connection, submission_id: UUID, now: datetime) -> None:
    """Delete an abandoned file, unless its server came back and extended the lease."""
    found = select(Submission.id).where(Submission.id == submission_id, *_is_abandoned(now))
    if connection.scalar(found.with_for_update()) is not None:
        delete_submission(connection, submission_id)


def _is_abandoned(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Submission.finished_at.is_(None),
        Submission.state == State.receiving,
        or_(Submission.leased_until.is_(None), Submission.leased_until < now),
    )


def extend_upload(connection: Connection, submission_id: UUID, until: datetime) -> bool:
    """Extend the lease of a file that is arriving; return False if the file was given up."""
    updated = connection.execute(
        update(Submission)
        .where(Submission.id == submission_id, Submission.state == State.receiving)
        .values(leased_until=until)
    )
    return updated.rowcount == 1


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


def shorten_waiting_periods(
    connection: Connection, *, leased_until: datetime, held_until: datetime
) -> None:
    """Shorten leases and waiting periods to those that begin now, where they are longer."""
    connection.execute(
        update(Submission)
        .where(Submission.leased_until > leased_until)
        .values(leased_until=leased_until)
    )
    connection.execute(
        update(Submission).where(Submission.held_until > held_until).values(held_until=held_until)
    )
