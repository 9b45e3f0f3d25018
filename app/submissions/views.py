"""Submissions and row results as JSON."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from app.db.tables.submissions import (
    StoredFault,
    StoredListChanges,
    StoredProblem,
    StoredRowResult,
    StoredSubmissionStep,
)
from app.errors import Fault, ProblemCode, RegistryError, Sentence
from app.submissions.mapping.source_file import SourceRow
from app.submissions.mapping.table import MAX_ROW_FAULTS
from app.submissions.schemas import (
    ChangesView,
    ProgressView,
    RowOutcome,
    State,
    SubmissionStepView,
    SubmissionView,
)
from app.submissions.store.submissions import COUNTER_COLUMNS, SubmissionRow

HeadingLookup = Callable[[str], str | None]
MAX_FILE_FAULTS = 50
"""The maximum number of shown faults of a file as a whole."""
COPIED_FIELDS = (SubmissionView.model_fields.keys() & set(SubmissionRow._fields)) - {
    "changes",
    "approval",
    "reversal",
}


def build_submission_view(
    row: SubmissionRow, now: datetime, results: Sequence[StoredRowResult] | None = None
) -> SubmissionView:
    """Build the view of a submission; `results` are shown if they are given."""
    return SubmissionView.model_validate(
        {
            **{name: getattr(row, name) for name in COPIED_FIELDS},
            "commit": row.commit_rule,
            "submitted_by": row.actor_name,
            "progress": _build_progress(row, now),
            "changes": _build_changes(row.changes),
            "approval": _build_step(row.approval),
            "reversal": _build_step(row.reversal),
            "results": results,
        }
    )


def _build_progress(row: SubmissionRow, now: datetime) -> ProgressView:
    read_share = 1.0 if row.finished_at else row.bytes_read / max(row.bytes, 1)
    measured_until = row.finished_at or now
    seconds = (measured_until - row.started_at).total_seconds() if row.started_at else 0.0
    has_estimate = seconds > 0 and read_share > 0 and row.state != State.reversing
    return ProgressView(
        rows_read=row.rows_read,
        **{name: getattr(row, name) for name in COUNTER_COLUMNS},
        share=round(read_share, 4),
        rows_per_second=round(row.rows_read / seconds, 1) if has_estimate else None,
        remaining_seconds=round(seconds * (1 - read_share) / read_share, 1)
        if has_estimate
        else None,
    )


def _build_changes(changes: StoredListChanges | None) -> ChangesView | None:
    if changes is None:
        return None
    return ChangesView(
        new=changes["new"],
        changed=changes["changed"],
        ending=changes["ending"],
        unchanged=changes["unchanged"],
        missing=changes["missing"],
        standing=changes["standing"],
    )


def _build_step(step: StoredSubmissionStep | None) -> SubmissionStepView | None:
    if step is None:
        return None
    return SubmissionStepView(
        by=step["by"],
        person=step["person"],
        at=datetime.fromisoformat(step["at"]),
        reason=step["reason"],
    )


# --- rows ----------------------------------------------------------------


def build_row_view(result: StoredRowResult) -> dict[str, object]:
    """Build the view of a row result (`RowView`): without the fields that it does not have."""
    return {name: value for name, value in result.items() if value is not None}


def build_accepted_result(
    row: SourceRow, outcome: RowOutcome, entry_id: UUID | None, version: int | None = None
) -> StoredRowResult:
    """Build the result of an accepted row."""
    result: StoredRowResult = {
        "row": row.number,
        "source_ref": row.reference,
        "outcome": outcome.value,
    }
    if entry_id is not None:
        result["entry_id"] = str(entry_id)
    if version is not None:
        result["version"] = version
    return result


def build_refused_result(row: SourceRow, refusal: RegistryError) -> StoredRowResult:
    """Build the result of a refused row."""
    errors = build_faults(refusal, row.find_heading, max_faults=MAX_ROW_FAULTS)
    first = errors[0]
    result: StoredRowResult = {
        "row": row.number,
        "outcome": RowOutcome.refused.value,
        "pointer": first["pointer"],
        "column": first["column"],
        "code": refusal.problem_code,
        "sentence": first["sentence"],
        "sentence_en": first["sentence_en"],
    }
    if all(item.pointer != "/source_ref" for item in refusal.faults):  # shown or not
        result["source_ref"] = row.reference
    result["errors"] = errors
    return result


def build_faults(
    refusal: RegistryError, find_heading: HeadingLookup, *, max_faults: int
) -> list[StoredFault]:
    """Build the stored faults of a refusal (see `list_faults`), each with its heading."""
    return [
        _build_fault(
            item, None if item.code == ProblemCode.more_faults else find_heading(item.pointer)
        )
        for item in list_faults(refusal, max_faults=max_faults)
    ]


def list_faults(refusal: RegistryError, *, max_faults: int) -> Sequence[Fault]:
    """List the faults of a refusal, or the refusal itself if it names no place.

    Of more than `max_faults` faults the last one says how many are left out.
    """
    faults: Sequence[Fault] = refusal.faults or (Fault("", refusal.problem_code, refusal.detail),)
    if len(faults) <= max_faults:
        return faults
    listed = faults[: max_faults - 1]
    return [*listed, _build_more_faults(len(faults) - len(listed))]


def _build_fault(fault: Fault, column: str | None) -> StoredFault:
    return {
        "pointer": fault.pointer,
        "column": column,
        "code": fault.code,
        "sentence": fault.sentence.zh,
        "sentence_en": fault.sentence.en,
    }


def _build_more_faults(count: int) -> Fault:
    # At least: reading may have ended early (`mapping/table.py`).
    sentence = Sentence(
        f"At least {count} more faults are not listed; mend these first",
        f"另有至少 {count} 处问题未列出，请先修改以上各项",
    )
    return Fault("", ProblemCode.more_faults, sentence)


def build_problem(refusal: RegistryError) -> StoredProblem:
    """Build the stored reason why a file is refused as a whole (`ProblemView`)."""
    errors = build_faults(refusal, lambda _: None, max_faults=MAX_FILE_FAULTS)
    detail = refusal.faults[0].sentence if refusal.faults else refusal.detail
    return {
        "code": refusal.problem_code,
        "detail": detail.zh,
        "detail_en": detail.en,
        "errors": errors,
    }
