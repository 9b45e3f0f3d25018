"""Full replace: the file is the whole list; entries that it lacks leave the list.

The file is compared with the list first, without a lock. Nothing is done unless every row is valid,
because an entry whose row cannot be read would count as missing. A file that would remove many
entries waits for a second person, so that a truncated file never empties a list. Then everything is
one transaction.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.crypto import fingerprint
from app.db.engines import Connection
from app.db.tables.submissions import StoredListChanges, StoredRowResult
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangedValues,
    NextVersion,
    Proposal,
    add_new_persons,
    append_versions,
    build_ending_values,
    lock_entries,
    record_proposals,
)
from app.errors import (
    Fault,
    InvalidPayload,
    ProblemCode,
    RegistryError,
    Sentence,
)
from app.rules.status import ENDED_STATUSES
from app.rules.transitions import Action
from app.subjects.service import lock_subjects
from app.submissions import views
from app.submissions.mapping.source_file import SourceRow
from app.submissions.processing import list_comparison
from app.submissions.processing.job import Progress, SubmissionJob
from app.submissions.schemas import RowOutcome, State
from app.submissions.store import listed_entries, submissions
from app.submissions.store.submissions import StepColumns

MAX_COMPARISONS = 5


class ListChanged(Exception):
    """The list, or what is known of a subject, changed while it was compared; nothing was done."""


def replace_whole_list(job: SubmissionJob) -> None:
    """Compare a file with its list, wait for approval if it removes too much, and carry it out."""
    for _ in range(MAX_COMPARISONS):
        plan = list_comparison.compare_with_list(job)
        changes = plan.describe
        if plan.refused_count:
            refusal = InvalidPayload(faults=[HAS_REFUSED_ROWS])
            columns: StepColumns = {"changes": changes, **submissions.DRY_RUN_COUNTERS}
            job.commit_final_state(State.refused, refusal, columns)
            return
        if job.row.dry_run:
            job.commit_final_state(State.done, columns={"changes": changes})
            return
        if list_comparison.exceeds_removal_threshold(job, plan):
            _hold_for_approval(job, changes)
            return
        try:
            _commit_plan(job, plan)
        except ListChanged:
            continue  # the next comparison shows the change
        return
    job.commit_final_state(State.refused, InvalidPayload(faults=[LIST_KEEPS_CHANGING]))


def _hold_for_approval(job: SubmissionJob, changes: StoredListChanges) -> None:
    approval_time = timedelta(hours=job.registry.settings.replace_hold_hours)

    def write(connection: Connection) -> Progress:
        row = job.record_step(
            connection,
            state=State.held.value,
            held_until=job.registry.clock.now() + approval_time,
            changes=changes,
            leased_until=None,
            approval=None,
        )
        return replace(job.progress, row=row)

    job.progress = job.registry.write(write)


def _commit_plan(job: SubmissionJob, plan: list_comparison.ReplacePlan) -> None:
    submission = job.row

    def commit(connection: Connection) -> Progress:
        law = read_law(job.registry, connection)
        missing_entries = entries.read_current_entries(connection, plan.missing_ids, law.today)
        # All at once and first, in their order (see `lock_subjects`).
        lock_subjects(
            connection, plan.subject_ids | {row.subject_id for row in missing_entries.values()}
        )
        listed_ids = listed_entries.read_standing_entries(
            connection, submission.department or "", submission.list_type or "", law.today
        )
        if listed_ids != plan.listed_ids:
            raise ListChanged
        results = [
            *_apply_plan(job, connection, law, plan),
            *_exit_missing_entries(job, connection, plan.missing_ids),
        ]
        progress = job.restart(connection)
        for start in range(0, len(results), list_comparison.STEP_ROWS):
            job.add_results(
                connection, progress, results[start : start + list_comparison.STEP_ROWS]
            )
        job.write_final_state(connection, progress, State.done, columns={"changes": plan.describe})
        return progress

    job.progress = job.registry.write(commit)


def _apply_plan(
    job: SubmissionJob, connection: Connection, law: Law, plan: list_comparison.ReplacePlan
) -> list[StoredRowResult]:
    outcomes = record_proposals(job.registry, connection, job.row.caller, plan.proposals)
    current_entries = entries.read_current_entries(
        connection, list_comparison.read_recorded_ids(outcomes), law.today
    )
    results: list[StoredRowResult] = []
    next_versions: list[NextVersion] = []
    for row, proposal, outcome in zip(plan.rows, plan.proposals, outcomes, strict=True):
        recorded = current_entries.get(list_comparison.find_entry_id(outcome))  # type: ignore[arg-type]
        if isinstance(proposal, RegistryError):
            raise ListChanged
        if recorded is None or row.number in plan.new_row_numbers:
            if isinstance(outcome, RegistryError) or row.number not in plan.new_row_numbers:
                raise ListChanged
            results.append(job.build_results(row, outcome))
        elif row.number in plan.repeated_row_numbers:
            results.append(views.build_accepted_result(row, RowOutcome.replayed, recorded.id))
        else:
            results.append(
                _correct_entries(job, connection, law, recorded, proposal, row, next_versions)
            )
    append_versions(job.registry, connection, job.row.caller, law, next_versions)
    return results


def _correct_entries(
    job: SubmissionJob,
    connection: Connection,
    law: Law,
    recorded: EntryRow,
    proposal: Proposal,
    row: SourceRow,
    next_versions: list[NextVersion],
) -> StoredRowResult:
    """Append the next version of an entry, if the row changes anything."""
    compared = list_comparison.compare_row(job, connection, law, recorded, proposal)
    if isinstance(compared, RegistryError):
        raise ListChanged
    if not isinstance(compared, dict):
        return views.build_accepted_result(row, RowOutcome.replayed, recorded.id)
    changes = list_comparison.find_changed_columns(job, connection, law, recorded, proposal) or {}
    add_new_persons(job.registry, connection, recorded.id, proposal.persons)
    next_versions.append(_append_next_version(job, recorded, Action.correct, changes))
    return views.build_accepted_result(row, RowOutcome.corrected, recorded.id, recorded.version + 1)


def _exit_missing_entries(
    job: SubmissionJob, connection: Connection, entry_ids: Collection[UUID]
) -> list[StoredRowResult]:
    law = read_law(job.registry, connection)
    rows = lock_entries(connection, entry_ids, law.today)
    leaving_rows = [
        row for row in rows.values() if row.compute_status(law.today) not in ENDED_STATUSES
    ]
    next_versions = [
        _append_next_version(
            job,
            row,
            Action.exit,
            build_ending_values(row, law.today, exited_on=_find_last_day(row, law)),
        )
        for row in leaving_rows
    ]
    append_versions(job.registry, connection, job.row.caller, law, next_versions)
    return [list_comparison.build_exit_result(row, row.version + 1) for row in leaving_rows]


def _find_last_day(row: EntryRow, law: Law) -> date:
    return max(law.today, row.decided_on)


def _append_next_version(
    job: SubmissionJob, row: EntryRow, action: Action, changes: ChangedValues
) -> NextVersion:
    audit_actions = {
        Action.correct: AuditAction.entry_corrected,
        Action.exit: AuditAction.entry_exited,
    }
    return NextVersion(
        row=row,
        action=action,
        audit_action=audit_actions[action],
        reason=job.row.reason,
        digest=fingerprint({"submission": str(job.row.id), "action": action.value}),
        changed_values=changes,
    )


LIST_KEEPS_CHANGING = Fault(
    "",
    ProblemCode.list_moves,
    Sentence(
        "The list changed under every look at it, and nothing was done; send it again later",
        "比对期间名单不断变动，未作任何改动，请稍后重新提交",
    ),
)
HAS_REFUSED_ROWS = Fault(
    "",
    ProblemCode.rows_refused,
    Sentence(
        "A full list is taken only where every row is sound, for an entry whose row is refused"
        " would count as missing",
        "全量替换要求每一行均有效：被退回的行会被误认为缺失。请更正后重新提交",
    ),
)
