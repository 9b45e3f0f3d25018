"""Full replace: the file is the whole list; entries that it lacks leave the list.

The file is compared with the list first, without a lock. Nothing is done unless every row is valid,
because an entry whose row cannot be read would count as missing. A file that would remove many
entries waits for a second person, so that a truncated file never empties a list. Then everything is
one transaction.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from app.audit.actions import AuditAction
from app.catalogue.queries import Law, read_law
from app.crypto import fingerprint
from app.db.engines import Connection
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangedValues,
    DryRun,
    EntryFacts,
    NextVersion,
    Proposal,
    RecordingResult,
    add_new_persons,
    append_versions,
    build_ending_values,
    lock_entries,
    record_proposals,
    record_status_changes_until_today,
    replace_facts,
)
from app.errors import (
    EntryConflict,
    Fault,
    InvalidPayload,
    ProblemCode,
    RegistryError,
    Sentence,
    SubjectFixed,
)
from app.rules.law import DisclosureClass
from app.rules.status import ENDED_STATUSES, Status
from app.rules.transitions import Action
from app.subjects.service import lock_subjects
from app.submissions import store
from app.submissions.formats.source_file import SourceRow
from app.submissions.processing import row_results
from app.submissions.processing.job import RowRecording, SubmissionJob
from app.submissions.schemas import RowOutcome, RowResult, State

STEP_ROWS = 250
MAX_COMPARISONS = 5


"""The columns in which the next version of an entry differs."""


class ListChanged(Exception):
    """The list, or what is known of a subject, changed while it was compared; nothing was done."""


@dataclass(slots=True)
class ReplacePlan:
    """The plan of a full replace: its rows and their proposals."""

    listed_ids: list[UUID]
    rows: list[SourceRow] = field(default_factory=list)
    proposals: list[Proposal | RegistryError] = field(default_factory=list)
    kept_ids: set[UUID] = field(default_factory=set)
    new_row_numbers: set[int] = field(default_factory=set)
    changed_row_numbers: set[int] = field(default_factory=set)
    digest_by_ending_entry: dict[UUID, str] = field(default_factory=dict)
    """Entries that a row ends or hides, with the digest of the row."""
    missing_ids: list[UUID] = field(default_factory=list)
    refused_count: int = 0
    subject_ids: set[UUID] = field(default_factory=set)
    digest_by_entry: dict[UUID, str] = field(default_factory=dict)
    """Recorded entries with a row, and the digest of the row."""
    repeated_row_numbers: set[int] = field(default_factory=set)
    """Rows that repeat an entry without a difference."""

    @property
    def describe(self) -> dict[str, Any]:
        """For the sender (`ChangesView`), with what an approval holds for."""
        leaving_ids = [*self.missing_ids, *sorted(self.digest_by_ending_entry)]
        digests = [self.digest_by_ending_entry.get(entry_id) for entry_id in leaving_ids]
        return {
            "new": len(self.new_row_numbers),
            "changed": len(self.changed_row_numbers),
            "ending": len(self.digest_by_ending_entry),
            "unchanged": len(self.kept_ids) - len(self.changed_row_numbers),
            "missing": len(self.missing_ids),
            "standing": len(self.listed_ids),
            "digest": fingerprint([[str(entry_id) for entry_id in leaving_ids], digests]),
        }


def replace_whole_list(job: SubmissionJob) -> None:
    """Compare a file with its list, wait for approval if it removes too much, and carry it out."""
    for _ in range(MAX_COMPARISONS):
        plan = _compare_with_list(job)
        changes = plan.describe
        if plan.refused_count:
            reset_counters = store.DRY_RUN_COUNTERS
            refusal = InvalidPayload(faults=[HAS_REFUSED_ROWS])
            job.commit_final_state(State.refused, refusal, changes=changes, **reset_counters)
            return
        if job.row.dry_run:
            job.commit_final_state(State.done, changes=changes)
            return
        if _exceeds_removal_threshold(job, plan):
            _hold_for_approval(job, changes)
            return
        try:
            _commit_plan(job, plan)
        except ListChanged:
            continue  # the next comparison shows the change
        return
    job.commit_final_state(State.refused, InvalidPayload(faults=[LIST_KEEPS_CHANGING]))


# --- comparing -----------------------------------------------------------


def _compare_with_list(job: SubmissionJob) -> ReplacePlan:
    registry, submission = job.registry, job.row
    assert (
        submission.department is not None
    )  # a replace names department and list (`actions.begin`)
    assert submission.list_type is not None
    job.progress = registry.write(job.restart)
    rehearsal = DryRun(registry, submission.caller)
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        today = read_law(registry, connection).today
        listed_ids = store.read_standing_entries(
            connection, submission.department, submission.list_type, today
        )
    plan = ReplacePlan(listed_ids)
    for rows in job.read_slices(lambda: STEP_ROWS, after_row=0):
        job.require_holdable_count(len(rows))
        proposals = job.prepare_proposals(rows)
        plan.rows += map(row_results.remove_content, rows)
        plan.proposals += proposals
        outcomes = rehearsal.decide_all(proposals)
        with registry.database.reading() as connection:
            results = _judge_rows(job, connection, plan, rows, proposals, outcomes)
        job.set_progress(results)
    job.require_declared_count(job.progress.rows_read)
    plan.missing_ids = [entry_id for entry_id in listed_ids if entry_id not in plan.kept_ids]
    plan.subject_ids |= set(rehearsal.recorded_subject_ids)
    if not plan.refused_count:  # the approver sees which entries
        for start in range(0, len(plan.missing_ids), STEP_ROWS):
            with registry.database.reading() as connection:
                missing_entries = entries.read_current_entries(
                    connection, plan.missing_ids[start : start + STEP_ROWS], today
                )
            job.set_progress([_build_exit_result(row) for row in missing_entries.values()])
    return plan


def _judge_rows(
    job: SubmissionJob,
    connection: Connection,
    plan: ReplacePlan,
    rows: Sequence[SourceRow],
    proposals: Sequence[Proposal | RegistryError],
    outcomes: Sequence[RowRecording],
) -> list[RowResult]:
    """Sort rows into new, changed, unchanged and refused, with their results."""
    law = read_law(job.registry, connection)
    current_entries = entries.read_current_entries(
        connection, _read_recorded_ids(outcomes), law.today
    )
    results = []
    for row, proposal, outcome in zip(rows, proposals, outcomes, strict=True):
        recorded = current_entries.get(_find_entry_id(outcome))  # type: ignore[arg-type]
        classified: RowRecording | ChangedValues = outcome
        if isinstance(proposal, Proposal) and recorded is not None:
            first_digest = plan.digest_by_entry.setdefault(recorded.id, proposal.facts_digest)
            if recorded.id in plan.kept_ids and first_digest == proposal.facts_digest:
                plan.repeated_row_numbers.add(row.number)
                classified = RecordingResult(recorded.id, replayed=True)
            elif first_digest != proposal.facts_digest:  # two rows contradict each other
                classified = EntryConflict(entry_id=str(recorded.id))
            else:
                classified = _compare_row(job, connection, law, recorded, proposal)
            if not isinstance(classified, RegistryError):
                plan.kept_ids.add(recorded.id)
                plan.subject_ids.add(recorded.subject_id)
        if isinstance(classified, RegistryError):
            plan.refused_count += 1
            results.append(row_results.build_refused_result(row, classified))
        elif isinstance(classified, dict):
            assert recorded is not None
            plan.changed_row_numbers.add(row.number)
            if _ends_or_hides(recorded, classified, law):
                plan.digest_by_ending_entry[recorded.id] = plan.digest_by_entry[recorded.id]
            results.append(
                row_results.build_accepted_result(row, RowOutcome.corrected, recorded.id)
            )
        else:
            if not classified.replayed:
                plan.new_row_numbers.add(row.number)
            results.append(job.build_results(row, classified, is_recorded=False))
    return results


def _read_recorded_ids(outcomes: Sequence[RowRecording]) -> list[UUID]:
    return [found for outcome in outcomes if (found := _find_entry_id(outcome)) is not None]


def _find_entry_id(outcome: RowRecording) -> UUID | None:
    """The recorded entry that has the row's reference."""
    if isinstance(outcome, RecordingResult):
        return outcome.entry_id if outcome.replayed else None
    if isinstance(outcome, EntryConflict) and "entry_id" in outcome.members:
        return UUID(str(outcome.members["entry_id"]))
    return None


def _compare_row(
    job: SubmissionJob, connection: Connection, law: Law, recorded: EntryRow, proposal: Proposal
) -> RowRecording | ChangedValues:
    """Compare a row with its recorded entry: unchanged, refused, or the columns to correct."""
    if recorded.void or recorded.list_type != proposal.list_type:
        return EntryConflict(entry_id=str(recorded.id))
    if recorded.compute_status(law.today) in ENDED_STATUSES:
        return InvalidPayload(faults=[ENTRY_ENDED])
    try:
        changes = _find_changed_columns(job, connection, law, recorded, proposal, is_rehearsal=True)
    except RegistryError as refusal:
        return refusal
    return RecordingResult(recorded.id, replayed=True) if changes is None else changes


def _ends_or_hides(recorded: EntryRow, changes: ChangedValues, law: Law) -> bool:
    """Return True if the corrected facts would end the entry or make it restricted."""
    after = recorded._replace(**changes)
    has_begun = recorded.compute_status(law.today) is not Status.scheduled
    is_delayed = has_begun and after.compute_status(law.today) is Status.scheduled
    public = DisclosureClass.public
    is_hidden = (
        recorded.disclosure_class_enum is public and after.disclosure_class_enum is not public
    )
    return after.compute_status(law.today) in ENDED_STATUSES or is_delayed or is_hidden


def _find_changed_columns(
    job: SubmissionJob,
    connection: Connection,
    law: Law,
    recorded: EntryRow,
    proposal: Proposal,
    *,
    is_rehearsal: bool = False,
) -> ChangedValues | None:
    """Return the columns that change when the entry becomes as the row; None if none does.

    Raises:
        SubjectFixed: the row is about another subject.
        RegistryError: a rule refuses the facts of the row.
    """
    facts: EntryFacts = {**proposal.facts}
    if "extension" in recorded.facts:  # the extension of the term stays in force
        facts["extension"] = recorded.facts["extension"]
        facts["effective_until"] = recorded.facts["effective_until"]
    before, after = recorded.facts["subject"], facts["subject"]
    if {**before, "name": ""} != {**after, "name": ""}:
        raise SubjectFixed
    return replace_facts(
        job.registry, connection, recorded, law, facts, "", is_dry_run=is_rehearsal
    )


# --- the brake -----------------------------------------------------------


def _exceeds_removal_threshold(job: SubmissionJob, plan: ReplacePlan) -> bool:
    """Return True if the removals pass the threshold, so that a second person must approve."""
    settings, submission = job.registry.settings, job.row
    leaving_count = len(plan.missing_ids) + len(plan.digest_by_ending_entry)
    approval = submission.approval
    if not leaving_count or (approval and approval.get("digest") == plan.describe["digest"]):
        return False
    # A list that shrinks slice by slice shrinks as well.
    since = job.registry.clock.now() - timedelta(hours=settings.replace_hold_hours)
    with job.registry.database.reading() as connection:
        removed_before = store.count_removed_since(
            connection, submission.department or "", submission.list_type or "", since
        )
    return (
        leaving_count + removed_before > settings.replace_brake_entries
        or leaving_count + removed_before
        > settings.replace_brake_share * (len(plan.listed_ids) + removed_before)
    )


def _hold_for_approval(job: SubmissionJob, changes: dict[str, Any]) -> None:
    approval_time = timedelta(hours=job.registry.settings.replace_hold_hours)

    def write(connection: Connection) -> None:
        job.record_step(
            connection,
            state=State.held.value,
            held_until=job.registry.clock.now() + approval_time,
            changes=changes,
            leased_until=None,
            approval=None,
        )

    job.registry.write(write)


# --- carrying out --------------------------------------------------------


def _commit_plan(job: SubmissionJob, plan: ReplacePlan) -> None:
    submission = job.row

    def commit(connection: Connection) -> None:
        law = read_law(job.registry, connection)
        missing_entries = entries.read_current_entries(connection, plan.missing_ids, law.today)
        # All at once and first, in their order (see `working`).
        lock_subjects(
            connection, plan.subject_ids | {row.subject_id for row in missing_entries.values()}
        )
        listed_ids = store.read_standing_entries(
            connection, submission.department or "", submission.list_type or "", law.today
        )
        if listed_ids != plan.listed_ids:
            raise ListChanged
        results = [
            *_apply_plan(job, connection, law, plan),
            *_exit_missing_entries(job, connection, plan.missing_ids),
        ]
        progress = job.restart(connection)
        for start in range(0, len(results), STEP_ROWS):
            job.add_results(connection, progress, results[start : start + STEP_ROWS])
        job.write_final_state(connection, State.done, changes=plan.describe)

    job.registry.write(commit)


def _apply_plan(
    job: SubmissionJob, connection: Connection, law: Law, plan: ReplacePlan
) -> list[RowResult]:
    outcomes = record_proposals(job.registry, connection, job.row.caller, plan.proposals)
    current_entries = entries.read_current_entries(
        connection, _read_recorded_ids(outcomes), law.today
    )
    results: list[RowResult] = []
    next_versions: list[NextVersion] = []
    for row, proposal, outcome in zip(plan.rows, plan.proposals, outcomes, strict=True):
        recorded = current_entries.get(_find_entry_id(outcome))  # type: ignore[arg-type]
        if isinstance(proposal, RegistryError):
            raise ListChanged
        if recorded is None or row.number in plan.new_row_numbers:
            if isinstance(outcome, RegistryError) or row.number not in plan.new_row_numbers:
                raise ListChanged
            results.append(job.build_results(row, outcome))
        elif row.number in plan.repeated_row_numbers:
            results.append(row_results.build_accepted_result(row, RowOutcome.replayed, recorded.id))
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
) -> RowResult:
    """Append the next version of an entry, if the row changes anything."""
    compared = _compare_row(job, connection, law, recorded, proposal)
    if isinstance(compared, RegistryError):
        raise ListChanged
    if not isinstance(compared, dict):
        return row_results.build_accepted_result(row, RowOutcome.replayed, recorded.id)
    changes = _find_changed_columns(job, connection, law, recorded, proposal) or {}
    add_new_persons(job.registry, connection, recorded.id, proposal.persons)
    next_versions.append(_append_next_version(job, recorded, Action.correct, changes))
    return row_results.build_accepted_result(
        row, RowOutcome.corrected, recorded.id, recorded.version + 1
    )


def _exit_missing_entries(
    job: SubmissionJob, connection: Connection, entry_ids: Collection[UUID]
) -> list[RowResult]:
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
    return [_build_exit_result(row, row.version + 1) for row in leaving_rows]


def _find_last_day(row: EntryRow, law: Law) -> date:
    return max(law.today, row.decided_on)


def _build_exit_result(row: EntryRow, version: int | None = None) -> RowResult:
    result: RowResult = {
        "source_ref": row.source_ref,
        "outcome": RowOutcome.exited.value,
        "entry_id": str(row.id),
    }
    return result if version is None else result | {"version": version}


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


ENTRY_ENDED = Fault(
    "/source_ref",
    ProblemCode.entry_ended,
    Sentence(
        "The entry of this source_ref has ended; who is listed anew needs a new decision and"
        " reference",
        "该来源编号对应的条目已结束；再次列入须有新的决定并使用新的来源编号",
    ),
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
