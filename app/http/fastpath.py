"""What is served: checks go straight to their endpoint, everything else through FastAPI.

The layers of a FastAPI app take longer than a whole check. Beside its answer, a check gets from
them what every request gets: an id, its line in the log, its metrics, the limit of a body's size,
compression where it is asked for, and problem documents. Nothing else may take this way.
"""

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.checks.pipeline import CheckRoute, answer_request
from app.errors import BodyTooLarge
from app.http.middleware import Envelope, header
from app.http.problems import response_to
from app.security.refusals import account_for


class Front:
    """An ASGI app before the FastAPI app."""

    def __init__(self, app: FastAPI, *, body_limit: int, gzip_from: int, gzip_level: int) -> None:
        self._app = app
        self._route = next(route for route in app.router.routes if isinstance(route, CheckRoute))
        self._body_limit = body_limit
        metrics = app.state.metrics
        self._plain = Envelope(self._check, metrics, account_for)
        packed: ASGIApp = GZipMiddleware(self._check, gzip_from, gzip_level)
        self._packed = Envelope(packed, metrics, account_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the life of the app."""
        checks = scope["type"] == "http" and scope["path"] == self._route.path
        if not checks or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"] = self._app, self._route
        packing = "gzip" in (header(scope, b"accept-encoding") or "")
        await (self._packed if packing else self._plain)(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await answer_request(scope, self._limited(scope, receive))
        except Exception as error:  # noqa: BLE001 - told as a problem, and logged there
            response = await run_in_threadpool(
                response_to, Request(scope, receive), error, account_for
            )
        await response(scope, receive, send)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        declared = header(scope, b"content-length") or "0"
        if declared.isdecimal() and int(declared) > self._body_limit:
            raise BodyTooLarge
        left = self._body_limit

        async def receive_some() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise BodyTooLarge
            return message

        return receive_some
