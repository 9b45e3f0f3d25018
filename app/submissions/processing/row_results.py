"""Results of rows: problem codes and sentences, with the column that each of them concerns."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from app.entries.schemas import EntryPush
from app.errors import Fault, InvalidPayload, ProblemCode, RegistryError, Sentence
from app.http.validation import convert_validation_errors
from app.submissions.formats.source_file import SourceRow
from app.submissions.mapping.table import MAX_ROW_FAULTS
from app.submissions.schemas import RowOutcome, RowResult

HeadingLookup = Callable[[str], str | None]
MAX_REFERENCE_LENGTH = 80
MAX_FILE_FAULTS = 50
"""The maximum number of shown faults of a file as a whole."""


def build_push(
    row: SourceRow, *, list_type: str | None, department: str | None
) -> EntryPush | InvalidPayload:
    """The push that a row makes, for the list and department of its submission; or its faults."""
    if not isinstance(row.body, dict):
        return InvalidPayload(faults=row.faults)
    body, faults = dict(row.body), [*row.faults]
    for name, expected in (("list_type", list_type), ("department", department)):
        if expected is not None and body.setdefault(name, expected) != expected:
            faults.append(
                Fault(f"/{name}", ProblemCode(f"{name}_differs"), DIFFERENCE_SENTENCES[name])
            )
    try:
        push = EntryPush.model_validate(body)
    except ValidationError as error:
        invalid = convert_validation_errors(
            {**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)
        )
        faults += [item for item in invalid.faults if not _find_shown_headings(item, row.faults)]
        return InvalidPayload(faults=faults)
    return InvalidPayload(faults=faults) if faults else push


def build_accepted_result(
    row: SourceRow, outcome: RowOutcome, entry_id: UUID | None, version: int | None = None
) -> RowResult:
    """Build the result of an accepted row."""
    result: RowResult = {
        "row": row.number,
        "source_ref": find_reference(row),
        "outcome": outcome.value,
    }
    if entry_id is not None:
        result["entry_id"] = str(entry_id)
    return result if version is None else result | {"version": version}


def build_refused_result(row: SourceRow, refusal: RegistryError) -> RowResult:
    """The answer for a row that does not."""
    errors = build_faults(refusal, row.find_heading, max_faults=MAX_ROW_FAULTS)
    result: RowResult = {"row": row.number, "outcome": RowOutcome.refused.value, **errors[0]}
    if all(item.pointer != "/source_ref" for item in refusal.faults):  # shown or not
        result["source_ref"] = find_reference(row)
    return result | {"code": refusal.problem_code, "errors": errors}


def build_faults(
    refusal: RegistryError, find_heading: HeadingLookup, *, max_faults: int
) -> list[dict[str, Any]]:
    """List the faults of a refusal, or the refusal itself if it names no place.

    Of more than `most` faults the last one says how many are left out.
    """
    faults: Sequence[Fault] = refusal.faults or (Fault("", refusal.problem_code, refusal.detail),)
    if len(faults) <= max_faults:
        return [_build_fault(item, find_heading(item.pointer)) for item in faults]
    listed = [_build_fault(item, find_heading(item.pointer)) for item in faults[: max_faults - 1]]
    return [*listed, _build_fault(_build_more_faults(len(faults) - len(listed)), None)]


def _build_fault(fault: Fault, column: str | None) -> dict[str, Any]:
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


def build_problem(refusal: RegistryError) -> dict[str, Any]:
    """Why a file as a whole is refused (`ProblemView`)."""
    errors = build_faults(refusal, lambda _: None, max_faults=MAX_FILE_FAULTS)
    detail = refusal.faults[0].sentence if refusal.faults else refusal.detail
    return {
        "code": refusal.problem_code,
        "detail": detail.zh,
        "detail_en": detail.en,
        "errors": errors,
    }


def find_reference(row: SourceRow) -> str | None:
    """The sender's reference of a row, where it is one."""
    value = row.body.get("source_ref") if isinstance(row.body, dict) else None
    return value.strip() if isinstance(value, str) and len(value) <= MAX_REFERENCE_LENGTH else None


def remove_content(row: SourceRow) -> SourceRow:
    """A row as its answer needs it, to be kept by the thousand."""
    return row._replace(body={"source_ref": find_reference(row)}, cells=())


def _find_shown_headings(fault: Fault, reported: Sequence[Fault]) -> bool:
    # What could not be converted was left out, and so is missing as well.
    return any(
        fault.pointer == item.pointer or item.pointer.startswith(f"{fault.pointer}/")
        for item in reported
        if item.pointer
    )


DIFFERENCE_SENTENCES = {
    "list_type": Sentence(
        "The row names another list type than the submission", "该行的名单类型与本批次不一致"
    ),
    "department": Sentence(
        "The row names another department than the submission", "该行的认定部门与本批次不一致"
    ),
}
