"""Options, progress and results of submissions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.errors import Fault, NotYourDepartment, ProblemCode, Sentence
from app.http.request_bodies import RequestBody
from app.http.schemas import Line, SparseView, View
from app.rules.permissions import Caller, Role

MAX_ROWS = 2_147_483_647
"""The largest number of rows that the database can store."""
OptionCode = Annotated[str | None, Field(max_length=80)]


class State(StrEnum):
    """The state of a submission."""

    receiving = "receiving"
    queued = "queued"
    running = "running"
    held = "held"
    reversing = "reversing"
    done = "done"
    stopped = "stopped"
    refused = "refused"
    lapsed = "lapsed"
    reversed = "reversed"


ENDED_STATES = frozenset({State.done, State.stopped, State.refused, State.lapsed, State.reversed})


class Mode(StrEnum):
    """Append rows to a list, or replace the list as a whole."""

    append = "append"
    full_replace = "replace"


class OnError(StrEnum):
    """The effect of a refused row on the rows after it."""

    continue_ = "continue"
    stop = "stop"


class CommitRule(StrEnum):
    """The effect of a refused row on all other rows."""

    valid_rows = "valid_rows"
    all_or_nothing = "all_or_nothing"


REQUIRED_FOR_REPLACE = Sentence(
    "mode=replace needs list_type, department, reason, and rows: how many rows the file holds",
    "全量替换须填写 list_type、department、reason 以及 rows（文件行数）",
)


class SubmissionOptions(BaseModel):
    """The options of a submission: parameters of the route, columns of the table.

    An option keeps its name from the request to the table; `commit` and `rows` have longer names
    behind the request, because a column may not be named so.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)

    list_type: OptionCode = None
    department: OptionCode = None
    dry_run: bool = Field(default=False, description="Judge every row, record none")
    on_error: OnError = OnError.continue_
    commit_rule: CommitRule = Field(default=CommitRule.valid_rows, alias="commit")
    mode: Mode = Field(
        default=Mode.append,
        description="`replace`: the file is the whole list; entries that it lacks leave the list",
    )
    reason: Line | None = Field(default=None, description="Why entries leave a replaced list")
    declared_rows: int | None = Field(
        default=None, alias="rows", ge=0, le=MAX_ROWS, description="How many rows the file holds"
    )

    def find_department(self, caller: Caller) -> str | None:
        """Return the department that the file is for: that of a department's key.

        Raises:
            NotYourDepartment: the option names another one.
        """
        if caller.role is not Role.department:
            return self.department
        if self.department not in {None, caller.department}:
            raise NotYourDepartment
        return caller.department

    def find_faults(self, department: str | None) -> list[Fault]:
        """Find the options that a full replace lacks; `department` is the one that it is for."""
        if self.mode is not Mode.full_replace:
            return []
        required = {
            "list_type": self.list_type,
            "department": department,
            "reason": self.reason,
            "rows": self.declared_rows,
        }
        return [
            Fault(f"?{name}", ProblemCode.missing, REQUIRED_FOR_REPLACE)
            for name, value in required.items()
            if value is None
        ]


class FileFormat(StrEnum):
    """The detected format of a file."""

    ndjson = "ndjson"
    json = "json"
    csv = "csv"
    xlsx = "xlsx"


class RowOutcome(StrEnum):
    """The outcome of a row, or of an entry that a full list no longer names."""

    accepted = "accepted"
    sound = "sound"
    """The row is valid but was not recorded, because another row is not."""
    replayed = "replayed"
    refused = "refused"
    corrected = "corrected"
    exited = "exited"


class Approval(RequestBody):
    """The approval of a second person for a full replace that removes many entries."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "已与名单台账逐条核对，确认移出"}]}
    )

    reason: Line


class Reversal(RequestBody):
    """Why a submission is taken back as a whole."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "误传上一年度台账，整批撤回"}]}
    )

    reason: Line


# --- views ---------------------------------------------------------------


class RowFault(SparseView):
    """One thing wrong with a row, in Chinese for the clerk, and in English."""

    pointer: str
    column: str | None = None
    code: str
    sentence: str
    sentence_en: str


class RowView(SparseView):
    """The result of one row."""

    row: int | None = None
    source_ref: str | None = None
    outcome: RowOutcome
    entry_id: UUID | None = None
    version: int | None = None
    code: str | None = None
    pointer: str | None = None
    column: str | None = None
    sentence: str | None = None
    sentence_en: str | None = None
    errors: list[RowFault] | None = None


class ProgressView(View):
    """Progress, and an estimate of the remaining time."""

    rows_read: int
    accepted: int
    replayed: int
    refused: int
    corrected: int
    exited: int
    reversed: int
    share: float
    rows_per_second: float | None
    remaining_seconds: float | None


class ChangesView(View):
    """The effect of a full replace on the list; `standing` is the number of entries before it.

    `ending` counts changed entries that end by their new dates or become restricted.
    """

    new: int
    changed: int
    ending: int
    unchanged: int
    missing: int
    standing: int


class ProblemView(View):
    """The reason that a file was refused as a whole, or not read to its end."""

    code: str
    detail: str
    detail_en: str
    errors: list[RowFault]


class SubmissionStepView(View):
    """A step of a person: approval of a full replace, or a reversal, with its reason."""

    by: str
    person: str | None
    at: datetime
    reason: str


class SubmissionView(View):
    """A file and its result."""

    id: UUID
    state: State
    format: FileFormat | None
    department: str | None
    list_type: str | None
    mode: Mode
    dry_run: bool
    on_error: OnError
    commit: CommitRule
    reason: str | None
    declared_rows: int | None
    bytes: int
    sha256: str | None
    submitted_by: str
    received_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressView
    changes: ChangesView | None
    problem: ProblemView | None
    held_until: datetime | None
    approval: SubmissionStepView | None
    reversal: SubmissionStepView | None
    results: list[RowView] | None


class SubmissionPage(View):
    """A page of submissions, the newest first."""

    submissions: list[SubmissionView]
    next: str | None
