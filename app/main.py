"""The app, put together: `create_app(settings)`."""

import gc
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from app import logs
from app.audit import router as audit_router
from app.calendar import router as calendar_router
from app.catalogue import router as catalogue_router
from app.checks import router as checks_router
from app.checks.pipeline import CheckRoute, CheckService, serve_check
from app.clock import Clock
from app.disclosure import router as disclosure_router
from app.entries import router as entries_router
from app.entries.service import record_status_changes_until_today
from app.exports import router as exports_router
from app.http import health, problems
from app.http.api_docs import protect_docs
from app.http.body_limit import BodyLimits
from app.http.component_names import apply_component_names
from app.http.fastpath import CheckFastPath
from app.http.middleware import Metrics, RequestContextMiddleware
from app.jobs.dispatcher import Dispatcher
from app.jobs.guard import Guard
from app.jobs.timekeeper import Timekeeper
from app.lookups import router as lookups_router
from app.lookups.service import LookupService
from app.redress import router as redress_router
from app.registry import Registry
from app.reports import router as reports_router
from app.rights import router as rights_router
from app.rules.stored_json import JsonObject
from app.security.authenticators import KeyAuthenticator
from app.security.limits import WriteLimiter
from app.security.refusals import audit_refusal
from app.security.sweep_queue import SweepQueue
from app.settings import Settings
from app.submissions import router as submissions_router
from app.submissions.processing.queue import SubmissionQueue

log = logging.getLogger("redblack")

COLLECT_AFTER = (50_000, 20, 50)
GZIP_FROM_BYTES = 1_000
FORM_BYTES = 10_000  # what a form adds to the file that it carries
GZIP_LEVEL = 3  # level 9 halves the rate of an export for a few percent
EVERYWHERE = (400, 401, 403, 413, 422, 429, 503)

ABOUT = """\
Red and black lists of a city: entries, the 7-working-day disclosure clock, checks, exports.

Send a key as `Authorization: Bearer <key>`. Errors are RFC 9457 problem documents with a stable
`code`; their sentences are Chinese where `Accept-Language` prefers `zh`. Instants are UTC, days are
civil days in Shanghai.
"""


def create_app(settings: Settings | None = None, *, clock: Clock | None = None) -> FastAPI:
    """Make the app; with no settings it can describe itself, but not be served."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        registry = Registry.open(settings or Settings(), clock)
        attach_registry(app, registry)
        trouble = registry.verify()
        if trouble is not None:
            log.error("not ready: %s", trouble.detail.en)
        dispatcher: Dispatcher = app.state.dispatcher
        dispatcher.start()
        timekeeper = Timekeeper(registry, [record_status_changes_until_today])
        timekeeper.start()
        guard = Guard(registry)
        guard.start()
        yield
        await run_in_threadpool(guard.close)
        await run_in_threadpool(timekeeper.close)
        await run_in_threadpool(dispatcher.close)
        await run_in_threadpool(app.state.lookup_service.close)
        await run_in_threadpool(app.state.check_service.close)
        registry.close()

    app: FastAPI = FastAPIOffline(
        title="Redblack Registry",
        version="1",
        description=ABOUT,
        redoc_url=None,
        # A redirect would repeat the Host header of the request, which anybody can choose.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.metrics = Metrics()
    # One flat list, what is asked most first: FastAPI goes through a router inside a router twice
    # for every request, which took longer than a check.
    for router in (
        checks_router.router,
        lookups_router.router,
        entries_router.router,
        submissions_router.router,
        exports_router.router,
        audit_router.router,
        disclosure_router.router,
        redress_router.router,
        catalogue_router.router,
        calendar_router.router,
        reports_router.router,
        rights_router.router,
        health.router,
    ):
        app.router.routes[:] = [*app.router.routes, *map(_set_operation_id, router.routes)]
    problems.install_handlers(app, audit_refusal)
    limits = settings or Settings()
    app.add_middleware(
        BodyLimits,
        usual=limits.body_limit_bytes,
        files=limits.submission_limit_bytes + FORM_BYTES,
    )
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=GZIP_LEVEL)
    app.add_middleware(
        RequestContextMiddleware, metrics=app.state.metrics, audit_refusal=audit_refusal
    )
    complete_openapi(app)
    protect_docs(app)
    return app


def _set_operation_id(route: BaseRoute) -> BaseRoute:
    # Generated clients name their methods after it; a function that was renamed keeps its own.
    if isinstance(route, APIRoute):
        route.operation_id = route.operation_id or route.name
    return route


def attach_registry(app: FastAPI, registry: Registry, dispatcher: Dispatcher | None = None) -> None:
    """Give the app an open registry and what hangs on it."""
    tuning = registry.settings.tuning
    app.state.registry = registry
    app.state.authenticator = KeyAuthenticator(registry)
    app.state.write_limiter = WriteLimiter(
        tuning.write_slots, tuning.write_queue, tuning.write_wait_seconds
    )
    check_service = CheckService(registry)
    app.state.check_service = check_service
    app.state.lookup_service = LookupService(registry, check_service.schedule_indexing)
    app.state.dispatcher = dispatcher or Dispatcher(registry, [SubmissionQueue(), SweepQueue()])


def complete_openapi(app: FastAPI) -> None:
    """Finish the OpenAPI document: the problem document for every error that may come anywhere."""
    plain = app.openapi

    def openapi() -> JsonObject:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = apply_component_names(plain())
        for item in document["paths"].values():
            for operation in item.values():
                _describe_operation(operation)
        schemas = document["components"]["schemas"]
        schemas.setdefault("Problem", problems.Problem.model_json_schema())
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_operation(operation: JsonObject) -> None:
    answer: Mapping[str, Any] = {
        problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
    }
    responses = operation["responses"]
    public = operation.get("security") == []
    for status in () if public else EVERYWHERE:
        responses.setdefault(str(status), {"description": _EVERYWHERE_TEXT[status]})
    if public:
        responses.setdefault("400", {"description": _EVERYWHERE_TEXT[400]})
        responses.pop("422", None)
    for status, response in responses.items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            response["content"] = answer
    operation["responses"] = dict(sorted(responses.items()))


_EVERYWHERE_TEXT: Mapping[int, str] = {
    400: "`malformed_json`, `personal_number_in_url`, `malformed`: it cannot be read",
    401: "`unauthenticated`: no valid key",
    403: "`forbidden`: the key's role lacks the permission",
    413: "`body_too_large`",
    422: "`errors` names every fault with its place and code; `code` is theirs where they agree,"
    " else `invalid_payload`",
    429: "`too_many_attempts`: too many attempts without a valid key",
    503: "`not_ready`, `secret_key_mismatch`, `clock_untrusted`, `unavailable`: no answer;"
    " never read it as clean",
}


def serve_app() -> CheckFastPath:
    """For uvicorn's workers (`--factory`): settings from the environment."""
    settings = Settings()
    logs.configure(settings.log_level)
    served = build_served_app(create_app(settings), settings)
    # Imported modules stay, and a request leaves little garbage: collect it rarely.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    return served


def build_served_app(app: FastAPI, settings: Settings) -> CheckFastPath:
    """Return the app as it is served: checks before FastAPI's layers."""
    return CheckFastPath(
        app,
        next(route for route in app.router.routes if isinstance(route, CheckRoute)),
        serve_check,
        audit_refusal=audit_refusal,
        body_limit=settings.body_limit_bytes,
        gzip_from=GZIP_FROM_BYTES,
        gzip_level=GZIP_LEVEL,
    )
