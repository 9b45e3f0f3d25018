"""Submissions as background jobs: large files wait under a lease for a worker process."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.engines import Connection
from app.jobs.queue import Cancelled
from app.jobs.worker import defer_signals
from app.registry import Registry
from app.submissions.processing import row_by_row
from app.submissions.store import jobs, submissions
from app.submissions.store.submissions import SubmissionRow


class SubmissionQueue:
    """The queue of submissions (`app.jobs.queue.JobQueue`)."""

    name = "submissions"

    def is_waiting(self, connection: Connection, now: datetime) -> bool:
        """Return True if a submission waits for a worker."""
        return jobs.has_waiting(connection, now)

    def run_next(self, registry: Registry, worker: str) -> bool:
        """Process the submission that has waited longest; return False if none waits.

        Raises:
            KeyboardInterrupt: the process received a stop signal.
        """
        row = claim_submission(registry, worker)
        if row is None:
            return False
        process_submission(registry, row)
        return True

    def clean_up(self, registry: Registry) -> None:
        """Expire pending approvals, and delete abandoned uploads and files past their term."""
        now = registry.clock.now()
        with registry.database.reading() as connection:
            abandoned = jobs.find_abandoned(connection, now)
            expired = jobs.find_expired_files(
                connection, now - timedelta(days=registry.settings.submission_keep_days)
            )
        expire_pending_approvals(registry)
        for submission_id in abandoned:
            registry.write(partial(jobs.delete_abandoned, submission_id=submission_id, now=now))
        for submission_id in expired:
            registry.write(partial(submissions.delete_parts, submission_ids=[submission_id]))


def claim_submission(
    registry: Registry, worker: str, submission_id: UUID | None = None
) -> SubmissionRow | None:
    """Claim the submission that has waited longest, or a given one; None if it does not wait."""
    now = registry.clock.now()
    until = now + timedelta(seconds=registry.settings.tuning.submission_lease_seconds)
    return registry.write(
        lambda connection: jobs.claim_submission(connection, worker, now, until, submission_id)
    )


def process_submission(registry: Registry, row: SubmissionRow) -> None:
    """Process a claimed submission; on a stop signal release it for another worker.

    Raises:
        KeyboardInterrupt: the process received a stop signal.
    """
    with defer_signals() as stopping:
        try:
            row_by_row.process(registry, row, stopping)
        except Cancelled:
            registry.write(lambda connection: jobs.release_lease(connection, row.id, row.worker))
    if stopping.is_set():
        raise KeyboardInterrupt


def expire_pending_approvals(registry: Registry) -> None:
    """Expire full lists that were not approved in time, and record it."""
    now = registry.clock.now()
    with registry.database.reading() as connection:
        if not jobs.has_expired_approval(connection, now):
            return

    def work(connection: Connection) -> None:
        for row in jobs.expire_approvals(connection, now):
            record = audit.build_record(
                row.caller,
                now,
                AuditAction.submission_lapsed,
                "done",
                row.id,
                list_type=row.list_type,
                mode=row.mode,
            )
            audit.record_changes(connection, [record])

    registry.write(work)
