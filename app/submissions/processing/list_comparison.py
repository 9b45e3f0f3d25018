"""Comparison of a full list with the recorded list, without a lock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from app.catalogue.queries import Law, read_law
from app.crypto import fingerprint
from app.db.engines import Connection
from app.db.tables.submissions import StoredListChanges, StoredRowResult
from app.entries import queries as entries
from app.entries.queries import EntryRow
from app.entries.service import (
    ChangedValues,
    DryRun,
    EntryFacts,
    Proposal,
    RecordingResult,
    read_recorded_numbers,
    record_status_changes_until_today,
    replace_facts,
    require_recorded_numbers_absent,
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
from app.rules.former_masks import remove_masks
from app.rules.law import DisclosureClass
from app.rules.numbers_in_hand import may_hold_number
from app.rules.status import ENDED_STATUSES, Status
from app.submissions import views
from app.submissions.mapping.source_file import SourceRow
from app.submissions.processing.job import RowRecording, SubmissionJob
from app.submissions.schemas import RowOutcome
from app.submissions.store import listed_entries, submissions

STEP_ROWS = 250


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
    def describe(self) -> StoredListChanges:
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


def compare_with_list(job: SubmissionJob) -> ReplacePlan:
    """Compare every row of the file with the list; record the results, and no entry.

    Raises:
        InvalidPayload: the file cannot be read to its end, or has another number of rows.
    """
    registry, submission = job.registry, job.row
    # A replace names department and list (`service.begin_upload`).
    assert submission.department is not None
    assert submission.list_type is not None
    job.restart_if_begun()
    rehearsal = DryRun(registry, submission.caller)
    record_status_changes_until_today(registry)
    with registry.database.reading() as connection:
        today = read_law(registry, connection).today
        listed_ids = listed_entries.read_standing_entries(
            connection, submission.department, submission.list_type, today
        )
    plan = ReplacePlan(listed_ids)
    for rows, _ in job.read_slices(lambda: STEP_ROWS, after_row=0):
        job.require_holdable_count(len(rows))
        proposals = job.prepare_proposals(rows)
        plan.rows += (row.without_content() for row in rows)
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
                _require_clean_reason(job, connection, missing_entries.values())
            job.set_progress([build_exit_result(row) for row in missing_entries.values()])
    return plan


def _judge_rows(
    job: SubmissionJob,
    connection: Connection,
    plan: ReplacePlan,
    rows: Sequence[SourceRow],
    proposals: Sequence[Proposal | RegistryError],
    outcomes: Sequence[RowRecording],
) -> list[StoredRowResult]:
    """Sort rows into new, changed, unchanged and refused, with their results."""
    law = read_law(job.registry, connection)
    current_entries = entries.read_current_entries(
        connection, read_recorded_ids(outcomes), law.today
    )
    results = []
    changed_entries: list[EntryRow] = []
    for row, proposal, outcome in zip(rows, proposals, outcomes, strict=True):
        recorded = current_entries.get(find_entry_id(outcome))  # type: ignore[arg-type]
        classified: RowRecording | ChangedValues = outcome
        if isinstance(proposal, Proposal) and recorded is not None:
            first_digest = plan.digest_by_entry.setdefault(recorded.id, proposal.facts_digest)
            if recorded.id in plan.kept_ids and first_digest == proposal.facts_digest:
                plan.repeated_row_numbers.add(row.number)
                classified = RecordingResult(recorded.id, replayed=True)
            elif first_digest != proposal.facts_digest:  # two rows contradict each other
                classified = EntryConflict(entry_id=str(recorded.id))
            else:
                classified = compare_row(job, connection, law, recorded, proposal)
            if not isinstance(classified, RegistryError):
                plan.kept_ids.add(recorded.id)
                plan.subject_ids.add(recorded.subject_id)
        if isinstance(classified, RegistryError):
            plan.refused_count += 1
            results.append(views.build_refused_result(row, classified))
        elif isinstance(classified, dict):
            assert recorded is not None
            plan.changed_row_numbers.add(row.number)
            changed_entries.append(recorded)
            if _ends_or_hides(recorded, classified, law):
                plan.digest_by_ending_entry[recorded.id] = plan.digest_by_entry[recorded.id]
            results.append(views.build_accepted_result(row, RowOutcome.corrected, recorded.id))
        else:
            if not classified.replayed:
                plan.new_row_numbers.add(row.number)
            results.append(job.build_results(row, classified, is_recorded=False))
    _require_clean_reason(job, connection, changed_entries)
    return results


def _require_clean_reason(
    job: SubmissionJob, connection: Connection, changed_entries: Collection[EntryRow]
) -> None:
    """Refuse a file whose reason holds a number of an entry that it corrects or ends.

    Raises:
        InvalidPayload: the reason holds one.
    """
    if changed_entries and may_hold_number([job.row.reason or ""]):
        job.require_clean_reasons(read_recorded_numbers(job.registry, connection, changed_entries))


def read_recorded_ids(outcomes: Sequence[RowRecording]) -> list[UUID]:
    """Return the ids of the recorded entries that have the references of rows."""
    return [found for outcome in outcomes if (found := find_entry_id(outcome)) is not None]


def find_entry_id(outcome: RowRecording) -> UUID | None:
    """The recorded entry that has the row's reference."""
    if isinstance(outcome, RecordingResult):
        return outcome.entry_id if outcome.replayed else None
    if isinstance(outcome, EntryConflict) and "entry_id" in outcome.members:
        return UUID(str(outcome.members["entry_id"]))
    return None


def compare_row(
    job: SubmissionJob, connection: Connection, law: Law, recorded: EntryRow, proposal: Proposal
) -> RowRecording | ChangedValues:
    """Compare a row with its recorded entry: unchanged, refused, or the columns to correct."""
    if recorded.void or recorded.list_type != proposal.list_type:
        return EntryConflict(entry_id=str(recorded.id))
    if recorded.compute_status(law.today) in ENDED_STATUSES:
        return InvalidPayload(faults=[ENTRY_ENDED])
    try:
        changes = find_changed_columns(job, connection, law, recorded, proposal, is_rehearsal=True)
        if changes is not None:
            require_recorded_numbers_absent(job.registry, connection, [recorded], proposal.facts)
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


def find_changed_columns(
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
    before, after = remove_masks(recorded.facts["subject"]), facts["subject"]
    if {**before, "name": ""} != {**after, "name": ""}:
        raise SubjectFixed
    return replace_facts(
        job.registry, connection, recorded, law, facts, "", is_dry_run=is_rehearsal
    )


def exceeds_removal_threshold(job: SubmissionJob, plan: ReplacePlan) -> bool:
    """Return True if the removals pass the threshold, so that a second person must approve."""
    settings, submission = job.registry.settings, job.row
    leaving_count = len(plan.missing_ids) + len(plan.digest_by_ending_entry)
    approval = submission.approval
    if not leaving_count or (approval and approval.get("digest") == plan.describe["digest"]):
        return False
    # A list that shrinks slice by slice shrinks as well.
    since = job.registry.clock.now() - timedelta(hours=settings.replace_hold_hours)
    with job.registry.database.reading() as connection:
        removed_before = submissions.count_removed_since(
            connection, submission.department or "", submission.list_type or "", since
        )
    return (
        leaving_count + removed_before > settings.replace_brake_entries
        or leaving_count + removed_before
        > settings.replace_brake_share * (len(plan.listed_ids) + removed_before)
    )


def build_exit_result(row: EntryRow, version: int | None = None) -> StoredRowResult:
    """Build the result of an entry that leaves the list because no row names it."""
    result: StoredRowResult = {
        "source_ref": row.source_ref,
        "outcome": RowOutcome.exited.value,
        "entry_id": str(row.id),
    }
    return result if version is None else result | {"version": version}


ENTRY_ENDED = Fault(
    "/source_ref",
    ProblemCode.entry_ended,
    Sentence(
        "The entry of this source_ref has ended; who is listed anew needs a new decision and"
        " reference",
        "该来源编号对应的条目已结束；再次列入须有新的决定并使用新的来源编号",
    ),
)
