"""Routes that look up and show one subject."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request, Response

from app import errors
from app.http.context import current_request_id, prefers_chinese
from app.http.deps import ChineseDep, needs
from app.http.middleware import read_header
from app.http.parameters import PastDay, PastInstant
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.lookups import schemas
from app.lookups.queries import SubjectQuery
from app.lookups.service import LookupService
from app.registry import Registry
from app.rules.identifiers import Identifier, Scheme, require_identifier
from app.rules.permissions import Caller, Permission

router = KeyedRouter(prefix="/v1", tag="Checks")

LookupCaller = Annotated[Caller, needs(Permission.subject_lookup)]
SubjectReader = Annotated[Caller, needs(Permission.subject_read)]


@router.post("/subjects/lookup", tags=["Subjects"], response_model=schemas.LookupAnswer)
async def look_up_subject(
    request: schemas.LookupRequest,
    caller: LookupCaller,
    http_request: Request,
    chinese: ChineseDep,
) -> Response:
    """Look up one subject as of today; the question is recorded."""
    service: LookupService = http_request.app.state.lookup_service
    answer = await service.look_up(caller, request, chinese=chinese)
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
    """Show an organisation by its unified social credit code."""
    registry: Registry = request.app.state.registry
    identifier = require_identifier(
        Scheme.uscc, code, today=registry.clock.today(), pointer="path:code"
    )
    return await _read_subject(request, caller, identifier, on, known_at)


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
    """Show a subject by its id; natural persons only to operators and auditors."""
    return await _read_subject(request, caller, subject_id, on, known_at)


async def _read_subject(
    request: Request,
    caller: Caller,
    target: Identifier | UUID,
    on: date | None,
    known_at: datetime | None,
) -> Response:
    service: LookupService = request.app.state.lookup_service
    chinese = prefers_chinese(read_header(request.scope, b"accept-language"))
    query = SubjectQuery(caller, target, chinese, current_request_id(), on, known_at)
    # Built from our own parts: validating it again would double its cost.
    return Response(await service.read_subject(query), media_type="application/json")
