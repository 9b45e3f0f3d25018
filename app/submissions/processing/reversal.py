"""Reversal of a whole submission, while nothing later builds on its entries.

Entries that it recorded become void and release their references, so that a correct file can use
them. Entries that it corrected or ended become as they were before.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.crypto import fingerprint
from app.db.engines import Connection
from app.db.tables.submissions import StoredRowResult
from app.entries.queries import EntryRow, read_versions
from app.entries.schemas import RevocationCode
from app.entries.service import (
    ChangedValues,
    NextVersion,
    append_versions,
    apply_revocation,
    build_ending_values,
    lock_entries,
    record_status_changes_until_today,
    replace_facts,
)
from app.errors import BuiltUpon
from app.rules.transitions import Action
from app.submissions.processing.job import SubmissionJob
from app.submissions.schemas import RowOutcome, State
from app.submissions.store import listed_entries, submissions
from app.submissions.store.submissions import StepColumns, SubmissionRow

ENTRIES_PER_STEP = 25
RECORDED_OUTCOMES = frozenset({RowOutcome.accepted, RowOutcome.corrected, RowOutcome.exited})


def require_no_later_changes(connection: Connection, row: SubmissionRow) -> int:
    """Refuse to take back what something later was built on; how many entries would be.

    Raises:
        BuiltUpon: some of the entries have a later version, but one that takes them back.
    """
    count = later_count = 0
    for batch in submissions.read_all_batches_in(connection, row.id):
        version_by_entry = _read_recorded_versions(batch.results)
        count += len(version_by_entry)
        later_count += len(
            listed_entries.find_built_upon(
                connection, version_by_entry, _build_reversal_digest(row)
            )
        )
    if later_count:
        raise BuiltUpon(entries=later_count)
    return count


def _build_reversal_digest(row: SubmissionRow) -> str:
    return fingerprint({"submission": str(row.id), "action": Action.reverse.value})


def reverse_submission_entries(job: SubmissionJob) -> None:
    """Take back what was not taken back yet, a few entries at a time."""
    registry = job.registry
    record_status_changes_until_today(registry)
    skipped_count = 0
    for batch in submissions.read_all_batches(registry, job.row.id):
        effective_results = [result for result in batch.results if _is_recorded(result)]
        for start in range(0, len(effective_results), ENTRIES_PER_STEP):
            job.raise_if_cancelled()
            step_results = effective_results[start : start + ENTRIES_PER_STEP]
            skipped_count += registry.write(
                lambda connection: _reverse_step(job, connection, step_results)  # noqa: B023
            )
    job.commit_final_state(
        State.reversed, BuiltUpon(entries=skipped_count) if skipped_count else None
    )


def _reverse_step(
    job: SubmissionJob, connection: Connection, results: Sequence[StoredRowResult]
) -> int:
    """Take some back; how many had to be left, because something was built on them meanwhile."""
    law = read_law(job.registry, connection)
    version_by_entry = _read_recorded_versions(results)
    outcome_by_entry = {UUID(item["entry_id"]): RowOutcome(item["outcome"]) for item in results}
    digest = _build_reversal_digest(job.row)
    skipped_count, reversed_count, source_ref_by_entry = 0, 0, {}
    for entry_id, row in lock_entries(connection, version_by_entry, law.today).items():
        if row.action_digest == digest:
            continue  # by a worker before this one
        if row.version != version_by_entry[entry_id]:
            skipped_count += 1
            continue
        changes = _restore_values(job, connection, row, law, outcome_by_entry[entry_id])
        next_version = NextVersion(
            row=row,
            action=Action.reverse,
            audit_action=AuditAction.entry_reversed,
            reason=job.row.reversal["reason"] if job.row.reversal else None,
            digest=digest,
            changed_values=changes,
        )
        # One by one, because each may change what the next one says of the same subject.
        append_versions(job.registry, connection, job.row.authority, law, [next_version])
        reversed_count += 1
        if outcome_by_entry[entry_id] is RowOutcome.accepted:
            source_ref_by_entry[entry_id] = row.source_ref
    listed_entries.release_references(connection, source_ref_by_entry)
    columns: StepColumns = {"attempts": 0} if reversed_count else {}
    job.record_step(connection, increments={"reversed": reversed_count}, **columns)
    return skipped_count


def _restore_values(
    job: SubmissionJob, connection: Connection, row: EntryRow, law: Law, outcome: RowOutcome
) -> ChangedValues:
    """The columns that differ once an entry is as it was before the submission."""
    if outcome is RowOutcome.accepted:
        return apply_revocation(connection, row, law, RevocationCode.wrong_subject, law.today)
    if outcome is RowOutcome.exited:
        return build_ending_values(row, law.today, exited_on=None)
    previous = read_versions(connection, row.id, law.today)[row.version - 2]
    return replace_facts(job.registry, connection, row, law, previous.facts, "") or {}


def _read_recorded_versions(results: Sequence[StoredRowResult]) -> dict[UUID, int]:
    return {
        UUID(item["entry_id"]): item.get("version", 1) for item in results if _is_recorded(item)
    }


def _is_recorded(result: Mapping[str, Any]) -> bool:
    return result["outcome"] in RECORDED_OUTCOMES and "entry_id" in result
