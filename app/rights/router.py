"""Routes of own reports, and of their verification by any holder of a print."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request, Response, status
from fastapi.responses import HTMLResponse

from app import errors
from app.crypto import canonical
from app.errors import ReportNotFound, TooManyAttempts
from app.http.deps import PUBLIC, RegistryDep, needs
from app.http.parameters import FilterText, PageDep, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.rights import page as print_page
from app.rights import queries, schemas, service
from app.rights.refused_requests import build_trace
from app.rules.own_report import ReportScope, require_person
from app.rules.permissions import Caller, Permission
from app.rules.stored_json import JsonObject

router = KeyedRouter(prefix="/v1", tag="Own reports")

Issuer = Annotated[Caller, needs(Permission.own_report_issue)]


Overseer = Annotated[Caller, needs(Permission.audit_read)]


async def _trace_request(request: Request, caller: Issuer, registry: RegistryDep) -> None:
    """Trace the requested number, so that the audit record of a refusal contains its digest.

    This runs before the body is validated. A key without a person is refused here.

    Raises:
        PersonKeyRequired: the key of a department is bound to no person.
    """
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        body = None
    request.state.refusal_detail = build_trace(registry.secrets, registry.clock, caller, body)
    require_person(caller)


@router.post(
    "/own-reports",
    status_code=status.HTTP_201_CREATED,
    response_model=schemas.OwnReport,
    dependencies=[Depends(_trace_request)],
    responses=problems(errors.PersonKeyRequired),
)
def issue_own_report(
    request: schemas.OwnReportRequest, caller: Issuer, registry: RegistryDep
) -> Response:
    """Issue an own report: entries, sources, uses, and all queries with their purpose.

    The credit office (role `operator`) issues the whole. A department needs a person's key, and its
    report is partial: of other departments' entries it shows what a check shows. A wrong name, or a
    number without a record that the report may show, is answered with a report without a record
    (`scope`: `no_record`). A report never says "good credit".
    """
    report = service.issue_report(registry, caller, request)
    where = {"Location": f"{router.prefix}/own-reports/{report['report_id']}"}
    return _send_as_issued(report, status.HTTP_201_CREATED, where)


@router.get("/own-reports", responses=problems(errors.BadCursor))
def list_own_reports(
    caller: Overseer,
    registry: RegistryDep,
    page: PageDep,
    department: FilterText = None,
    scope: ReportScope | None = None,
    asked: FilterText = None,
) -> schemas.IssuedReportPage:
    """List issued reports without their content, the newest first: for operators and auditors.

    `asked` finds all reports on one number, by the digest that this list and audit records contain.
    """
    filters = collect_filters(department=department, scope=scope, asked=asked)
    return queries.read_report_page(registry, caller, page, filters)


@router.get(
    "/own-reports/{report_id}",
    response_model=schemas.OwnReport,
    responses=problems(errors.PersonKeyRequired, errors.ReportNotFound),
)
def show_own_report(report_id: UUID, caller: Issuer, registry: RegistryDep) -> Response:
    """Read a report as it was issued: a person of its department, and operators."""
    report = queries.read_issued_report(registry, caller, report_id, "json")
    return _send_as_issued(report, status.HTTP_200_OK)


@router.get(
    "/own-reports/{report_id}/page",
    response_class=HTMLResponse,
    responses=problems(errors.PersonKeyRequired, errors.ReportNotFound),
)
def show_own_report_page(report_id: UUID, caller: Issuer, registry: RegistryDep) -> HTMLResponse:
    """Show an own report as a page for printing: Chinese with English, self-contained."""
    report = queries.read_issued_report(registry, caller, report_id, "page")
    printed = print_page.render_page(report)
    return HTMLResponse(printed.html, headers=printed.headers)


def _send_as_issued(
    report: JsonObject, code: int, headers: dict[str, str] | None = None
) -> Response:
    # The same bytes each time, whatever the order of keys in the database: a report is a document.
    return Response(canonical(report), code, headers, media_type="application/json")


@router.get(
    "/verifications/{verification_code}",
    openapi_extra=PUBLIC,  # the print shows more than this answer
    responses=problems(
        errors.ReportNotFound,
        errors.TooManyAttempts,
        errors.NotReady,
        errors.SecretKeyMismatch,
    ),
)
def verify_own_report(
    verification_code: Annotated[
        str,
        Path(
            description="As it is printed; lower case, blanks and hyphens do not matter, nor does"
            " O for 0, or I and L for 1",
            examples=["7Q4MC-0X9TB-K2HZ8-WD31N"],
        ),
    ],
    request: Request,
    registry: RegistryDep,
) -> schemas.Verification:
    """Verify that a report was issued under a code; any holder of a print may ask."""
    verification = queries.verify_report(registry, verification_code)
    if verification is None:
        # Counted as an attempt without a key, so that guessing ends; true codes are answered still.
        refusal = request.app.state.authenticator.refuse_unknown(request)
        raise refusal if isinstance(refusal, TooManyAttempts) else ReportNotFound()
    return verification
