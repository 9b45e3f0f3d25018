"""Reads of submissions: progress, pages, row results, and workbooks."""

from collections.abc import Iterator
from uuid import UUID

import orjson

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.errors import (
    Fault,
    InvalidPayload,
    NotYourDepartment,
    ProblemCode,
    Sentence,
    SubmissionNotFound,
)
from app.http.pagination import make_cursor, read_id_cursor
from app.registry import Registry
from app.rules.permissions import Caller
from app.submissions.mapping.columns import COLUMNS
from app.submissions.schemas import (
    ENDED_STATES,
    RowOutcome,
    State,
    SubmissionPage,
    SubmissionView,
)
from app.submissions.store import submissions
from app.submissions.store.submissions import SubmissionRow
from app.submissions.views import build_row_view, build_submission_view


def get_submission(registry: Registry, caller: Caller, submission_id: UUID) -> SubmissionRow:
    """Read a submission that the caller may see: of its department, or any with oversight.

    Raises:
        SubmissionNotFound: there is none.
    """
    with registry.database.reading() as connection:
        return require_visible(submissions.get_submission(connection, submission_id), caller)


def require_visible(row: SubmissionRow | None, caller: Caller) -> SubmissionRow:
    """Return the submission if the caller may see it.

    Raises:
        SubmissionNotFound: there is none that the caller may see.
    """
    if row is None or not (caller.has_oversight or row.department == caller.department):
        raise SubmissionNotFound
    return row


def read_submission_view(registry: Registry, caller: Caller, submission_id: UUID) -> SubmissionView:
    """Read the progress of a submission.

    Raises:
        SubmissionNotFound: there is none that the caller may see.
    """
    row = get_submission(registry, caller, submission_id)
    return build_submission_view(row, registry.clock.now())


def read_submission_page(
    registry: Registry,
    caller: Caller,
    *,
    department: str | None,
    state: State | None,
    cursor: str | None,
    limit: int,
) -> SubmissionPage:
    """Read a page of submissions, the newest first; a department sees its own.

    Raises:
        NotYourDepartment: the caller has no oversight and asks for another department.
        BadCursor: `cursor` is not the `next` of a page.
    """
    if not caller.has_oversight and department not in {None, caller.department}:
        raise NotYourDepartment
    with registry.database.reading() as connection:
        rows = submissions.read_page(
            connection,
            before=read_id_cursor(cursor),
            limit=limit + 1,
            department=department if caller.has_oversight else caller.department,
            state=state,
        )
    now, page_rows = registry.clock.now(), rows[:limit]
    return SubmissionPage(
        submissions=[build_submission_view(row, now) for row in page_rows],
        next=make_cursor(page_rows[-1].id) if len(rows) > limit else None,
    )


def read_results(
    registry: Registry, caller: Caller, submission_id: UUID, outcome: RowOutcome | None
) -> Iterator[bytes]:
    """Read the row results of a submission as lines, as `format_results`; the read is audited.

    Raises:
        SubmissionNotFound: there is none that the caller may see.
    """
    row = get_submission(registry, caller, submission_id)
    audit.record_access(registry, caller, AuditAction.submission_results_read, submission_id)
    return format_results(registry, row, outcome)


def format_results(
    registry: Registry, row: SubmissionRow, outcome: RowOutcome | None
) -> Iterator[bytes]:
    """Yield the row results as JSON lines, then a trailer; they are complete after the end."""
    count = 0
    refused_only = outcome is RowOutcome.refused
    for batch in submissions.read_all_batches(registry, row.id, refused_only=refused_only):
        lines = [
            orjson.dumps(build_row_view(result), option=orjson.OPT_APPEND_NEWLINE)
            for result in batch.results
            if outcome in {None, result["outcome"]}
        ]
        count += len(lines)
        yield b"".join(lines)
    with registry.database.reading() as connection:
        latest = submissions.get_submission(connection, row.id) or row
    trailer = {
        "rows": count,
        "state": latest.state,
        "complete": State(latest.state) in ENDED_STATES,
    }
    yield orjson.dumps({"trailer": trailer}, option=orjson.OPT_APPEND_NEWLINE)


def build_refused_workbook(registry: Registry, caller: Caller, submission_id: UUID) -> bytes:
    """Build the workbook of the refused rows of a submission; the read is audited.

    Raises:
        SubmissionNotFound: there is none that the caller may see.
        SubmissionUnderWay: the file is no table, is not processed yet, or is no longer stored.
    """
    row = get_submission(registry, caller, submission_id)
    from app.submissions.workbooks import refused_rows  # noqa: PLC0415 - only servers write workbooks

    content = refused_rows.build_workbook(registry, row)
    audit.record_access(registry, caller, AuditAction.submission_refused_read, submission_id)
    return content


def build_template_workbook(registry: Registry, caller: Caller, list_type: str | None) -> bytes:
    """Build the template for a list type, or for all list types that the caller may issue.

    Raises:
        InvalidPayload: the caller issues no such list type today.
    """
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
        today = registry.clock.today()
    offered_list_types = [
        item
        for item in catalogue.list_types.values()
        if item.is_in_force_on(today)
        and list_type in {None, item.code}
        and (
            caller.department is None
            or catalogue.is_issuer(catalogue.departments[caller.department], item)
        )
    ]
    if list_type is not None and not offered_list_types:
        raise InvalidPayload(
            faults=[Fault("?list_type", ProblemCode.unknown_value, UNKNOWN_LIST_TYPE)]
        )
    from app.submissions.workbooks import templates  # noqa: PLC0415 - only servers write workbooks

    return templates.build_template(offered_list_types, COLUMNS)


UNKNOWN_LIST_TYPE = Sentence(
    "There is no such list type; see GET /v1/list-types",
    "没有该名单类型，请查看 GET /v1/list-types",
)
