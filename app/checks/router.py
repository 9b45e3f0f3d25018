"""Checks, lookups, and what a key may see of a subject."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response, status
from fastapi.concurrency import run_in_threadpool

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks import schemas, service
from app.checks.pipeline import CheckRoute, Desk
from app.http.deps import RegistryDep, needs
from app.http.middleware import read_header
from app.http.problems import prefers_chinese, problems
from app.http.request_id import current_request_id
from app.http.schemas import Day, Instant
from app.lookups.queries import Look
from app.registry import Registry
from app.rules.identifiers import Identifier, Scheme, require_identifier
from app.rules.permissions import Caller, Permission

router = APIRouter(prefix="/v1", tags=["Checks"], responses=problems())

Checker = Annotated[Caller, needs(Permission.check_create)]
CheckReader = Annotated[Caller, needs(Permission.check_read)]
OutcomeWriter = Annotated[Caller, needs(Permission.outcome_write)]
Looker = Annotated[Caller, needs(Permission.subject_lookup)]
PastDay = Annotated[Day | None, Query(description="Auditors and operators: as of that day")]
PastInstant = Annotated[
    Instant | None, Query(description="Auditors and operators: as known at that instant")
]
SubjectReader = Annotated[Caller, needs(Permission.subject_read)]


async def reads_chinese(
    accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> bool:
    """Whether sentences go out in Chinese."""
    return prefers_chinese(accept_language)


async def desk_of(request: Request) -> Desk:
    """Where the running app answers checks."""
    desk: Desk = request.app.state.desk
    return desk


DeskDep = Annotated[Desk, Depends(desk_of)]
Chinese = Annotated[bool, Depends(reads_chinese)]


async def check_subjects(request: schemas.CheckRequest, caller: Checker) -> Response:
    """May these subjects proceed? Answered with measures and their legal basis, and kept on file.

    Auditors and operators send `on`, `known_at` or `known_seq` to re-examine a past answer.
    """
    raise NotImplementedError  # it stands here for the document: `CheckRoute` serves it


router.add_api_route(
    "/checks",
    check_subjects,
    methods=["POST"],
    response_model=schemas.CheckAnswer,
    route_class_override=CheckRoute,
)


@router.get(
    "/checks/{check_id}",
    response_model=schemas.StoredCheck,
    responses=problems(errors.CheckNotFound),
)
def show_check(check_id: UUID, caller: CheckReader, registry: RegistryDep) -> Response:
    """What was answered then, to the department that asked and to auditors."""
    stored = service.stored_check(registry, caller, check_id)
    audit.record_access(registry, caller, AuditAction.check_read, check_id)
    # As it was answered, in the shape of its time: not poured into today's.
    return Response(orjson.dumps(stored), media_type="application/json")


@router.post(
    "/checks/{check_id}/outcomes",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": schemas.OutcomeView, "description": "The very same was reported before"},
        **problems(errors.CheckNotFound, errors.OutcomeConflict),
    },
)
def report_outcome(
    check_id: UUID,
    report: schemas.OutcomeReport,
    caller: OutcomeWriter,
    registry: RegistryDep,
    response: Response,
) -> schemas.OutcomeView:
    """Tell what was done with a result: the feedback of joint reward and punishment."""
    view, new = service.report_outcome(registry, caller, check_id, report)
    if not new:
        response.status_code = status.HTTP_200_OK
    return schemas.OutcomeView.model_validate(view)


@router.post("/subjects/lookup", tags=["Subjects"], response_model=schemas.LookupAnswer)
async def look_up_subject(
    request: schemas.LookupRequest,
    caller: Looker,
    registry: RegistryDep,
    desk: DeskDep,
    chinese: Chinese,
) -> Response:
    """What this key may know of one subject today; the question is kept on record."""
    answer = await run_in_threadpool(service.look_up, registry, caller, request, chinese=chinese)
    desk.sort_later()
    return Response(answer, media_type="application/json")


@router.get(
    "/subjects/uscc/{code}",
    tags=["Subjects"],
    response_model=schemas.SubjectView,
    responses=problems(errors.SubjectNotFound),
)
async def show_organization(
    request: Request,
    code: Annotated[str, Path(min_length=1, max_length=40, examples=["91370403MB000CT75T"])],
    caller: SubjectReader,
    on: PastDay = None,
    known_at: PastInstant = None,
) -> Response:
    """An organisation by its unified social credit code."""
    registry: Registry = request.app.state.registry
    identifier = require_identifier(
        Scheme.uscc, code, today=registry.clock.today(), pointer="path:code"
    )
    return await _show(request, caller, identifier, on, known_at)


@router.get(
    "/subjects/{subject_id}",
    tags=["Subjects"],
    response_model=schemas.SubjectView,
    responses=problems(errors.SubjectNotFound),
)
async def show_subject(
    request: Request,
    subject_id: UUID,
    caller: SubjectReader,
    on: PastDay = None,
    known_at: PastInstant = None,
) -> Response:
    """A subject by its id; natural persons for operators and auditors alone."""
    return await _show(request, caller, subject_id, on, known_at)


async def _show(
    request: Request,
    caller: Caller,
    whom: Identifier | UUID,
    on: date | None,
    known_at: datetime | None,
) -> Response:
    desk: Desk = request.app.state.desk
    chinese = prefers_chinese(read_header(request.scope, b"accept-language"))
    look = Look(caller, whom, chinese, current_request_id(), on, known_at)
    # Put together from our own parts, as a check is: to validate it again would double its cost.
    return Response(await desk.show(look), media_type="application/json")
