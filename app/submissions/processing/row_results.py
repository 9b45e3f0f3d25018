"""What a row is told: the codes and sentences of the registry, with the column that they mean."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from app.entries.schemas import EntryPush
from app.errors import Fault, InvalidPayload, ProblemCode, RegistryError, Sentence
from app.http.validation import convert_validation_errors
from app.submissions.formats.source_file import SourceRow
from app.submissions.mapping.table import MAX_ROW_FAULTS
from app.submissions.schemas import Result, RowOutcome

HeadingOf = Callable[[str], str | None]
LONGEST_REFERENCE = 80
FILE_FAULTS = 50
"""So many faults of a file as a whole are told."""


def push_of(
    row: SourceRow, *, list_type: str | None, department: str | None
) -> EntryPush | InvalidPayload:
    """The push that a row makes, for the list and department of its submission; or its faults."""
    if not isinstance(row.body, dict):
        return InvalidPayload(faults=row.faults)
    body, faults = dict(row.body), [*row.faults]
    for name, wanted in (("list_type", list_type), ("department", department)):
        if wanted is not None and body.setdefault(name, wanted) != wanted:
            faults.append(Fault(f"/{name}", ProblemCode(f"{name}_differs"), DIFFERS[name]))
    try:
        push = EntryPush.model_validate(body)
    except ValidationError as wrong:
        found = convert_validation_errors(
            {**item, "loc": ("body", *item["loc"])} for item in wrong.errors(include_url=False)
        )
        faults += [item for item in found.faults if not _told_already(item, row.faults)]
        return InvalidPayload(faults=faults)
    return InvalidPayload(faults=faults) if faults else push


def stands(
    row: SourceRow, outcome: RowOutcome, entry_id: UUID | None, version: int | None = None
) -> Result:
    """The answer for a row that stands."""
    told: Result = {"row": row.number, "source_ref": reference_of(row), "outcome": outcome.value}
    if entry_id is not None:
        told["entry_id"] = str(entry_id)
    return told if version is None else told | {"version": version}


def refused(row: SourceRow, refusal: RegistryError) -> Result:
    """The answer for a row that does not."""
    errors = faults_of(refusal, row.find_heading, most=MAX_ROW_FAULTS)
    told: Result = {"row": row.number, "outcome": RowOutcome.refused.value, **errors[0]}
    if all(item.pointer != "/source_ref" for item in refusal.faults):  # told or not
        told["source_ref"] = reference_of(row)
    return told | {"code": refusal.problem_code, "errors": errors}


def faults_of(refusal: RegistryError, heading_of: HeadingOf, *, most: int) -> list[dict[str, Any]]:
    """What a refusal names, or the refusal itself where it names no place.

    Of more than `most` faults the last one told says how many were left out.
    """
    faults: Sequence[Fault] = refusal.faults or (Fault("", refusal.problem_code, refusal.detail),)
    if len(faults) <= most:
        return [_told(item, heading_of(item.pointer)) for item in faults]
    told = [_told(item, heading_of(item.pointer)) for item in faults[: most - 1]]
    return [*told, _told(_more_faults(len(faults) - len(told)), None)]


def _told(fault: Fault, column: str | None) -> dict[str, Any]:
    return {
        "pointer": fault.pointer,
        "column": column,
        "code": fault.code,
        "sentence": fault.sentence.zh,
        "sentence_en": fault.sentence.en,
    }


def _more_faults(count: int) -> Fault:
    # At least: whoever found them may have stopped looking (`tables.py`).
    sentence = Sentence(
        f"At least {count} more faults are not listed; mend these first",
        f"另有至少 {count} 处问题未列出，请先修改以上各项",
    )
    return Fault("", ProblemCode.more_faults, sentence)


def problem_of(refusal: RegistryError) -> dict[str, Any]:
    """Why a file as a whole is refused (`ProblemView`)."""
    errors = faults_of(refusal, lambda _: None, most=FILE_FAULTS)
    detail = refusal.faults[0].sentence if refusal.faults else refusal.detail
    return {
        "code": refusal.problem_code,
        "detail": detail.zh,
        "detail_en": detail.en,
        "errors": errors,
    }


def reference_of(row: SourceRow) -> str | None:
    """The sender's reference of a row, where it is one."""
    sent = row.body.get("source_ref") if isinstance(row.body, dict) else None
    return sent.strip() if isinstance(sent, str) and len(sent) <= LONGEST_REFERENCE else None


def without_content(row: SourceRow) -> SourceRow:
    """A row as its answer needs it, to be kept by the thousand."""
    return row._replace(body={"source_ref": reference_of(row)}, cells=())


def _told_already(fault: Fault, told: Sequence[Fault]) -> bool:
    # What could not be converted was left out, and so is missing as well.
    return any(
        fault.pointer == item.pointer or item.pointer.startswith(f"{fault.pointer}/")
        for item in told
        if item.pointer
    )


DIFFERS = {
    "list_type": Sentence(
        "The row names another list type than the submission", "该行的名单类型与本批次不一致"
    ),
    "department": Sentence(
        "The row names another department than the submission", "该行的认定部门与本批次不一致"
    ),
}
