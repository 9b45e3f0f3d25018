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
from app.submissions import store
from app.submissions.processing.job import SubmissionJob
from app.submissions.schemas import Result, RowOutcome, State
from app.submissions.store import SubmissionRow

ENTRIES_PER_STEP = 25
RECORDED_OUTCOMES = frozenset({RowOutcome.accepted, RowOutcome.corrected, RowOutcome.exited})


def require_nothing_later(connection: Connection, row: SubmissionRow) -> int:
    """Refuse to take back what something later was built on; how many entries would be.

    Raises:
        BuiltUpon: some of the entries have a later version, but one that takes them back.
    """
    count = later = 0
    for batch in store.read_all_batches_in(connection, row.id):
        made = _read_recorded_versions(batch.results)
        count += len(made)
        later += len(store.find_built_upon(connection, made, _digest(row)))
    if later:
        raise BuiltUpon(entries=later)
    return count


def _digest(row: SubmissionRow) -> str:
    return fingerprint({"submission": str(row.id), "action": Action.reverse.value})


def reverse_submission_entries(job: SubmissionJob) -> None:
    """Take back what was not taken back yet, a few entries at a time."""
    registry = job.registry
    record_status_changes_until_today(registry)
    left = 0
    for batch in store.read_all_batches(registry, job.row.id):
        made = [result for result in batch.results if _is_recorded(result)]
        for start in range(0, len(made), ENTRIES_PER_STEP):
            job.raise_if_cancelled()
            some = made[start : start + ENTRIES_PER_STEP]
            left += registry.write(lambda connection: _reverse_step(job, connection, some))  # noqa: B023
    job.end(State.reversed, BuiltUpon(entries=left) if left else None)


def _reverse_step(job: SubmissionJob, connection: Connection, made: Sequence[Result]) -> int:
    """Take some back; how many had to be left, because something was built on them meanwhile."""
    law = read_law(job.registry, connection)
    versions = _read_recorded_versions(made)
    outcomes = {UUID(item["entry_id"]): RowOutcome(item["outcome"]) for item in made}
    digest = _digest(job.row)
    left, taken, freed = 0, 0, {}
    for entry_id, row in lock_entries(connection, versions, law.today).items():
        if row.action_digest == digest:
            continue  # by a worker before this one
        if row.version != versions[entry_id]:
            left += 1
            continue
        differing = _restore_values(job, connection, row, law, outcomes[entry_id])
        taken_back = NextVersion(
            row=row,
            action=Action.reverse,
            audit_action=AuditAction.entry_reversed,
            reason=(job.row.reversal or {}).get("reason"),
            digest=digest,
            changed_values=differing,
        )
        # One by one, because each may change what the next one says of the same subject.
        append_versions(job.registry, connection, job.row.authority, law, [taken_back])
        taken += 1
        if outcomes[entry_id] is RowOutcome.accepted:
            freed[entry_id] = row.source_ref
    store.release_references(connection, freed)
    further = {"attempts": 0} if taken else {}
    job.record_step(connection, added={"reversed": taken}, **further)
    return left


def _restore_values(
    job: SubmissionJob, connection: Connection, row: EntryRow, law: Law, outcome: RowOutcome
) -> ChangedValues:
    """The columns that differ once an entry is as it was before the submission."""
    if outcome is RowOutcome.accepted:
        return apply_revocation(connection, row, law, RevocationCode.wrong_subject, law.today)
    if outcome is RowOutcome.exited:
        return build_ending_values(row, law.today, exited_on=None)
    before = read_versions(connection, row.id, law.today)[row.version - 2]
    return replace_facts(job.registry, connection, row, law, before.facts, "") or {}


def _read_recorded_versions(results: Sequence[Result]) -> dict[UUID, int]:
    return {
        UUID(item["entry_id"]): item.get("version", 1) for item in results if _is_recorded(item)
    }


def _is_recorded(result: Mapping[str, Any]) -> bool:
    return result["outcome"] in RECORDED_OUTCOMES and "entry_id" in result
