"""Routes of checks and their outcomes."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Response, status

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.checks import queries, schemas, service
from app.checks.pipeline import CheckRoute
from app.http.deps import RegistryDep, needs
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.rules.permissions import Caller, Permission

router = KeyedRouter(prefix="/v1", tag="Checks")

CheckCreator = Annotated[Caller, needs(Permission.check_create)]
CheckReader = Annotated[Caller, needs(Permission.check_read)]
OutcomeWriter = Annotated[Caller, needs(Permission.outcome_write)]


async def check_subjects(request: schemas.CheckRequest, caller: CheckCreator) -> Response:
    """Check subjects before a decision; the answer names measures with their legal basis.

    The registry records the check before it answers. Auditors and operators send `on`, `known_at`
    or `known_seq` to re-examine a past answer.
    """
    raise NotImplementedError  # only for the OpenAPI document: `CheckRoute` serves the request


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
    """Return a recorded check, to its department and to auditors."""
    check = queries.read_check(registry, caller, check_id)
    audit.record_access(registry, caller, AuditAction.check_read, check_id)
    # Not validated by today's schema: an old check keeps the form of its time.
    return Response(orjson.dumps(check), media_type="application/json")


@router.post(
    "/checks/{check_id}/outcomes",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": schemas.OutcomeView, "description": "The same outcome is recorded already"},
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
    """Record the measures that were taken after a result (feedback of joint punishment)."""
    view, is_new = service.record_outcome(registry, caller, check_id, report)
    if not is_new:
        response.status_code = status.HTTP_200_OK
    return view
