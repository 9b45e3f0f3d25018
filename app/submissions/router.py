"""Sending files, following them, and getting every row's answer."""

from collections.abc import Callable
from typing import Annotated, ParamSpec, TypeVar
from uuid import UUID

from fastapi import Query, Request, Response, status
from starlette.concurrency import run_in_threadpool

from app import errors
from app.entries.schemas import EntryPush
from app.errors import InvalidPayload
from app.http.deps import WRITE_SLOT, RegistryDep, WriteSlots, needs
from app.http.problems import problems
from app.http.request_bodies import replace_request_id_of_file
from app.http.routes import KeyedRouter
from app.http.streaming import Stream
from app.jobs.queue import name_worker
from app.registry import Registry
from app.rules.permissions import Caller, Permission
from app.submissions import queries, schemas, service, views
from app.submissions.processing.job import ProcessedSubmission
from app.submissions.schemas import RowOutcome, State, SubmissionOptions
from app.submissions.upload.encrypted_file import EncryptedUpload
from app.submissions.upload.receive import receive_file, renewing
from app.submissions.workbooks import templates

router = KeyedRouter(prefix="/v1/submissions", tag="Submissions")

SubmissionReader = Annotated[Caller, needs(Permission.submission_read)]
SubmissionWriter = Annotated[Caller, needs(Permission.submission_write)]
CodeParameter = Annotated[str | None, Query(max_length=80)]

XLSX_MEDIA_TYPE = templates.CONTENT_TYPE
NDJSON_MEDIA_TYPE = "application/x-ndjson"
RETRY_AFTER_SECONDS = 1
MAX_ROWS_AT_ONCE = 2_000  # short rows are many, and a request is not the place to work them all off
MAX_INLINE_ROWS = 3_000  # more answers than that are streamed
STEP_PROBLEMS = problems(errors.SubmissionNotFound, errors.SubmissionUnderWay, errors.Busy)

P = ParamSpec("P")
T = TypeVar("T")

# What the body is, for the document: the handler takes it as a stream.
FILE_REQUEST_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/EntryPush"}},
                "examples": {
                    "entries": {"value": EntryPush.model_config["json_schema_extra"]["examples"]}  # type: ignore[index]
                },
            },
            **{
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in (
                    NDJSON_MEDIA_TYPE,
                    "text/csv",
                    XLSX_MEDIA_TYPE,
                    "application/octet-stream",
                )
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.post(
    "",
    responses={
        202: {
            "model": schemas.SubmissionView,
            "description": "The file is here and is worked off; `Location` tells how far it is",
        },
        **problems(errors.Malformed, errors.NotYourDepartment, errors.Busy),
    },
    openapi_extra=FILE_REQUEST_BODY,
)
async def submit_file(
    request: Request,
    caller: SubmissionWriter,
    registry: RegistryDep,
    response: Response,
    options: Annotated[SubmissionOptions, Query()],
) -> schemas.SubmissionView:
    """Send a file: NDJSON, a JSON array, CSV (UTF-8 or GB 18030) or XLSX; every row is answered.

    A small one is answered at once, with `results` unless they are very many; a large one is worked
    off in the background.
    The same file may be sent again: rows that are recorded already are `replayed`.
    """
    replace_request_id_of_file()
    upload = await run_in_threadpool(service.begin_upload, registry, caller, options)
    row, results, problem = await _receive_upload(request, registry, upload)
    response.headers["Location"] = f"/v1/submissions/{row.id}"
    if row.finished_at is None and row.state != State.held:
        request.app.state.dispatcher.wake()
        response.status_code = status.HTTP_202_ACCEPTED
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        results = None
    elif row.state == State.refused and row.rows_read == 0 and problem is not None:
        # Nothing could be read: the file is refused as any other body.
        faults = views.list_faults(problem, max_faults=views.MAX_FILE_FAULTS)
        raise InvalidPayload(faults=faults, submission_id=str(row.id))
    now = registry.clock.now()
    return await run_in_threadpool(views.build_submission_view, row, now, results)


async def _run_in_write_slot(
    request: Request, write: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Write once, in a turn of its own: none is held while a sender is waited for."""
    slots: WriteSlots = request.app.state.write_limiter
    async with slots.slot():
        return await run_in_threadpool(write, *args, **kwargs)


async def _receive_upload(
    request: Request, registry: Registry, upload: EncryptedUpload
) -> ProcessedSubmission:
    try:
        async with renewing(
            upload, lambda: _run_in_write_slot(request, service.renew_upload, registry, upload)
        ):
            await receive_file(
                request,
                upload,
                lambda: _run_in_write_slot(request, service.store_part, registry, upload),
            )
        if upload.size <= registry.settings.submission_at_once_bytes:
            return await _run_in_write_slot(
                request,
                service.finish_and_process,
                registry,
                upload,
                worker=name_worker(),
                max_rows=MAX_ROWS_AT_ONCE,
                max_results=MAX_INLINE_ROWS,
            )
        row = await _run_in_write_slot(
            request, service.finish_upload, registry, upload, worker=None
        )
        return ProcessedSubmission(row)
    except BaseException:
        if upload.stored_parts:
            # Half a file is useless to everybody: discard it, with or without a write slot.
            try:
                await _run_in_write_slot(request, service.discard_upload, registry, upload)
            except errors.Busy:
                await run_in_threadpool(service.discard_upload, registry, upload)
        raise


@router.get("", responses=problems(errors.BadCursor, errors.NotYourDepartment))
def list_submissions(
    caller: SubmissionReader,
    registry: RegistryDep,
    department: CodeParameter = None,
    state: State | None = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.SubmissionPage:
    """Submissions by page, the newest first; a department sees its own."""
    return queries.read_submission_page(
        registry, caller, department=department, state=state, cursor=next_, limit=limit
    )


@router.get(
    "/template.xlsx",
    response_class=Response,
    responses={200: {"description": "A workbook", "content": {XLSX_MEDIA_TYPE: {}}}},
)
def download_template(
    caller: SubmissionReader, registry: RegistryDep, list_type: CodeParameter = None
) -> Response:
    """A workbook to fill in: explained headings, drop-downs, examples on their own sheet."""
    content = queries.build_template_workbook(registry, caller, list_type)
    return _send_workbook(content, "template.xlsx")


@router.get(
    "/{submission_id}",
    responses=problems(errors.SubmissionNotFound),
)
def show_submission(
    submission_id: UUID, caller: SubmissionReader, registry: RegistryDep, request: Request
) -> schemas.SubmissionView:
    """Show the progress of a submission."""
    view = queries.read_submission_view(registry, caller, submission_id)
    if view.finished_at is None:
        request.app.state.dispatcher.wake()
    return view


@router.get(
    "/{submission_id}/results",
    response_class=Response,
    responses={
        200: {
            "description": "One line a row (`RowView`), then a trailer; without it, incomplete",
            "content": {NDJSON_MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **problems(errors.SubmissionNotFound),
    },
)
def stream_results(
    submission_id: UUID,
    caller: SubmissionReader,
    registry: RegistryDep,
    outcome: Annotated[
        RowOutcome | None, Query(description="Only rows that came to this end")
    ] = None,
) -> Response:
    """Stream the results of all rows in order, as far as the file was read."""
    return Stream(
        queries.read_results(registry, caller, submission_id, outcome),
        media_type=NDJSON_MEDIA_TYPE,
        headers={},
        stalled_after=registry.settings.tuning.stalled_client_seconds,
    )


@router.get(
    "/{submission_id}/refused.xlsx",
    response_class=Response,
    responses={
        200: {"description": "A workbook", "content": {XLSX_MEDIA_TYPE: {}}},
        **problems(errors.SubmissionNotFound, errors.SubmissionUnderWay),
    },
)
def download_refused(
    submission_id: UUID, caller: SubmissionWriter, registry: RegistryDep
) -> Response:
    """The refused rows of a table as a workbook, faulty cells marked; mend them and send it."""
    content = queries.build_refused_workbook(registry, caller, submission_id)
    return _send_workbook(content, f"refused-{submission_id}.xlsx")


@router.post(
    "/{submission_id}/approvals",
    dependencies=[needs(Permission.submission_write), WRITE_SLOT],
    responses=STEP_PROBLEMS | problems(errors.PersonKeyRequired, errors.SamePerson),
)
def approve_submission(
    submission_id: UUID,
    approval: schemas.Approval,
    caller: SubmissionWriter,
    registry: RegistryDep,
    request: Request,
) -> schemas.SubmissionView:
    """Let a held full list go ahead: a second person's word, for the entries that were shown."""
    row = service.approve_submission(registry, caller, submission_id, approval)
    request.app.state.dispatcher.wake()
    return views.build_submission_view(row, registry.clock.now())


@router.post(
    "/{submission_id}/reversals",
    dependencies=[needs(Permission.submission_write), WRITE_SLOT],
    responses=STEP_PROBLEMS | problems(errors.BuiltUpon),
)
def reverse_submission(
    submission_id: UUID,
    reversal: schemas.Reversal,
    caller: SubmissionWriter,
    registry: RegistryDep,
    request: Request,
) -> schemas.SubmissionView:
    """Take a submission back as a whole, while nothing later was built on it."""
    row = service.reverse_submission(registry, caller, submission_id, reversal)
    request.app.state.dispatcher.wake()
    return views.build_submission_view(row, registry.clock.now())


def _send_workbook(content: bytes, name: str) -> Response:
    return Response(
        content,
        media_type=XLSX_MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
