"""The fast path: checks go straight to their endpoint, all other requests through FastAPI.

The layers of a FastAPI app take longer than a whole check. Apart from its answer, a check gets from
them what every request gets: an id, its line in the log, its metrics, the limit of a body's size,
compression on request, and problem documents. No other route may take this path.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.body_limit import limit_body, refuse_larger_body
from app.http.middleware import RequestContextMiddleware, read_header
from app.http.problems import AuditRefusal, build_error_response

Endpoint = Callable[[Scope, Receive], Awaitable[Response]]


class CheckFastPath:
    """An ASGI app in front of the FastAPI app."""

    def __init__(
        self,
        app: FastAPI,
        route: APIRoute,
        endpoint: Endpoint,
        *,
        audit_refusal: AuditRefusal,
        body_limit: int,
        gzip_from: int,
        gzip_level: int,
    ) -> None:
        self._app = app
        self._route = route
        self._endpoint = endpoint
        self._audit_refusal = audit_refusal
        self._body_limit = body_limit
        metrics = app.state.metrics
        self._plain = RequestContextMiddleware(self._serve, metrics, audit_refusal)
        packed: ASGIApp = GZipMiddleware(self._serve, gzip_from, gzip_level)
        self._packed = RequestContextMiddleware(packed, metrics, audit_refusal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the lifespan of the app."""
        fast = scope["type"] == "http" and scope["path"] == self._route.path
        if not fast or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, self._route
        packing = "gzip" in (read_header(scope, b"accept-encoding") or "")
        await (self._packed if packing else self._plain)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            refuse_larger_body(scope, self._body_limit)
            response = await self._endpoint(scope, limit_body(receive, self._body_limit))
        except Exception as error:  # noqa: BLE001 - becomes a problem document, and is logged there
            response = await run_in_threadpool(
                build_error_response, Request(scope, receive), error, self._audit_refusal
            )
        await response(scope, receive, send)
