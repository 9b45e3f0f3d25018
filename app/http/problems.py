"""Problem documents (RFC 9457) for errors, in the language of the reader.

A document repeats nothing of the request and shows nothing internal.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from app import errors
from app.db.engines import is_connection_error
from app.errors import RegistryError, Sentence
from app.http.context import current_request_id, prefers_chinese
from app.http.request_bodies import protect_request_id_of_invalid_body
from app.http.schemas import View
from app.http.validation import convert_validation_errors
from app.registry import Registry

log = logging.getLogger("redblack.problems")

AuditRefusal = Callable[[Request, RegistryError], RegistryError]
"""Records a refusal and returns the error for the response."""

MEDIA_TYPE = "application/problem+json"


class ProblemFault(View):
    """One thing wrong at one place of the body (a JSON pointer) or of the query (`?name`)."""

    pointer: str
    code: str
    detail: str


class Problem(View):
    """A problem document (RFC 9457); it may have more members."""

    model_config = {"extra": "allow"}

    type: str = Field(examples=["urn:redblack:problem:invalid_payload"])
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[ProblemFault] | None = None


Responses = dict[int | str, dict[str, Any]]
"""The `responses` of a route as FastAPI takes them."""


def problems(*kinds: type[RegistryError]) -> Responses:
    """Return the `responses` of a route for its possible errors, by status."""
    documented: Responses = {}
    for kind in kinds:
        response = documented.setdefault(
            kind.status,
            {
                "model": Problem,
                "description": "",
                "content": {MEDIA_TYPE: {}},
            },
        )
        line = f"`{kind.code}`: {kind.title.en}"
        response["description"] = f"{response['description']}\n\n{line}".strip()
    return documented


def problem_response(error: RegistryError, *, chinese: bool) -> Response:
    """Build the problem document of an error in one language."""

    def translate(sentence: Sentence) -> str:
        return sentence.zh if chinese else sentence.en

    request_id = current_request_id()
    document: dict[str, object] = {
        "type": f"urn:redblack:problem:{error.problem_code}",
        "title": translate(error.title),
        "status": error.status,
        "detail": translate(error.detail),
        "code": error.problem_code,
        "request_id": request_id,
        **error.members,
    }
    if error.faults:
        document["errors"] = [
            {"pointer": item.pointer, "code": item.code, "detail": translate(item.sentence)}
            for item in error.faults
        ]
    response = Response(
        orjson.dumps(document, default=str), status_code=error.status, media_type=MEDIA_TYPE
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Language"] = "zh" if chinese else "en"
    if request_id is not None:  # internal errors are answered outside the middleware
        response.headers["X-Request-ID"] = request_id
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def convert_database_error(error: SQLAlchemyError) -> RegistryError:
    """Convert a database error: 503 if the database does not answer, else an internal error."""
    if not is_connection_error(error):
        log.error("the database refused a statement", exc_info=error)
        return errors.InternalError()
    log.error("the database does not answer: %s", type(error).__name__)
    return errors.Unavailable(retry_after=2)


def convert_http_error(error: HTTPException) -> RegistryError:
    """Convert an error of Starlette by its status."""
    kinds: dict[int, type[RegistryError]] = {
        HTTPStatus.NOT_FOUND: errors.NoSuchAddress,
        HTTPStatus.METHOD_NOT_ALLOWED: errors.MethodNotAllowed,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: errors.BodyTooLarge,
    }
    return kinds.get(error.status_code, errors.Malformed)()


def _list_allowed_methods(request: Request) -> str:
    # The router knows the methods of one operation; the OpenAPI document those of the path.
    path = getattr(request.scope.get("route"), "path_format", None)
    return ", ".join(sorted(map(str.upper, request.app.openapi()["paths"].get(path, ()))))


def _find_trouble(request: Request) -> RegistryError | None:
    """Return the reason why the registry cannot serve: an error that it causes is no defect."""
    registry: Registry | None = getattr(request.app.state, "registry", None)
    return None if registry is None else registry.find_cause()


def build_error_response(
    request: Request, raised: Exception, audit_refusal: AuditRefusal
) -> Response:
    """Record an exception and build its problem document; blocks, so not on the event loop."""
    if isinstance(raised, RegistryError):
        error = raised
    elif isinstance(raised, SQLAlchemyError):
        error = convert_database_error(raised)
    elif isinstance(raised, HTTPException):
        error = convert_http_error(raised)
    else:
        log.error("unexpected %s", type(raised).__name__, exc_info=raised)
        error = errors.InternalError()
    if isinstance(error, errors.InternalError):
        error = _find_trouble(request) or error
    return problem_response(
        audit_refusal(request, error),
        chinese=prefers_chinese(request.headers.get("Accept-Language")),
    )


def install_handlers(app: FastAPI, audit_refusal: AuditRefusal) -> None:
    """Answer every error with a problem document, after `audit_refusal` recorded it."""

    def answer(request: Request, raised: Exception) -> Response:
        return build_error_response(request, raised, audit_refusal)

    # Plain functions: Starlette runs them in the thread pool, where they may write the ledger.
    @app.exception_handler(RegistryError)
    def ours(request: Request, error: RegistryError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    def validation(request: Request, error: RequestValidationError) -> Response:
        protect_request_id_of_invalid_body(error.body)
        return answer(request, convert_validation_errors(error.errors()))

    @app.exception_handler(HTTPException)
    def starlette(request: Request, error: HTTPException) -> Response:
        response = answer(request, error)
        if error.headers and "Allow" in error.headers:
            response.headers["Allow"] = _list_allowed_methods(request) or error.headers["Allow"]
        return response

    @app.exception_handler(SQLAlchemyError)
    def database(request: Request, error: SQLAlchemyError) -> Response:
        return answer(request, error)

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        return answer(request, error)
