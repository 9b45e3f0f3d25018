"""Middleware of every request: its id, log line and metrics, and no identity number in its URL.

The log names the route, never the address, because an address may hold a personal number. The
access log of uvicorn is off for the same reason.
"""

import logging
import re
import time
from collections.abc import Iterable
from urllib.parse import unquote_plus

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from app.errors import Malformed, PersonalNumberInUrl, RegistryError
from app.http.context import current_request_id, prefers_chinese, set_request_id
from app.http.problems import AuditRefusal, problem_response
from app.rules.personal_numbers import contains_personal_number

log = logging.getLogger("redblack.access")

VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Metrics:
    """Requests by route; exact over workers in the multiprocess mode of prometheus_client."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "redblack_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "redblack_http_request_seconds",
            "Time until the answer was sent",
            ["method", "route"],
            registry=self.registry,
        )
        self._counted: dict[tuple[str, str, int], Counter] = {}
        self._timed: dict[tuple[str, str], Histogram] = {}

    def record(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request, in a cached series: finding one costs more than counting."""
        count = self._counted.get((method, route, status))
        if count is None:
            count = self._counted[method, route, status] = self.requests.labels(
                method, route, status
            )
        time_taken = self._timed.get((method, route))
        if time_taken is None:
            time_taken = self._timed[method, route] = self.seconds.labels(method, route)
        count.inc()
        time_taken.observe(seconds)


class RequestContextMiddleware:
    """ASGI middleware with plain functions over messages, because every check passes it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, audit_refusal: AuditRefusal) -> None:
        self.app = app
        self.audit_refusal = audit_refusal
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent_id = _read_usable_request_id(scope)
        set_request_id(sent_id or str(uuid7()), is_sent=sent_id is not None)
        started = time.perf_counter()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _add_headers(message["headers"], scope["path"])
            await send(message)

        try:
            refusal = _find_refusal(scope)
            if refusal is not None:
                error = await run_in_threadpool(self.audit_refusal, Request(scope), refusal)
                chinese = prefers_chinese(read_header(scope, b"accept-language"))
                response = problem_response(error, chinese=chinese)
                await response(scope, receive, send_with_headers)
            else:
                await self.app(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _find_route_path(scope)
        self.metrics.record(scope["method"], route, status, seconds)
        # Read now: the id that was sent is replaced if it holds a number of the body.
        request_id = current_request_id()
        log.info("%s %s %d %.1fms %s", scope["method"], route, status, seconds * 1000, request_id)


def read_header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of a name in lower case; None if the request has none."""
    for found, value in scope["headers"]:
        if found == name:
            text: str = value.decode("latin-1")
            return text
    return None


def _add_headers(headers: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    ours = [each for each in headers if each[0] != b"x-request-id"]
    ours.append((b"x-request-id", (current_request_id() or "").encode()))
    ours.append((b"x-content-type-options", b"nosniff"))
    if path.startswith("/v1") and all(name != b"cache-control" for name, _ in ours):
        ours.append((b"cache-control", b"no-store"))
    return ours


def _read_usable_request_id(scope: Scope) -> str | None:
    sent = read_header(scope, b"x-request-id")
    usable = sent and VALID_REQUEST_ID.fullmatch(sent) and not contains_personal_number(sent)
    return sent if usable else None


def _find_refusal(scope: Scope) -> RegistryError | None:
    if contains_personal_number(_decode_address(scope)):
        return PersonalNumberInUrl()
    # No stored text holds a NUL, and PostgreSQL fails on one instead of finding nothing.
    return Malformed() if "\0" in scope["path"] or b"%00" in scope["query_string"] else None


def _decode_address(scope: Scope) -> str:
    if not scope["query_string"] and "%" not in scope["path"] and "+" not in scope["path"]:
        return str(scope["path"])
    # The path arrives decoded once; decode it again to find a number that was quoted twice.
    query = unquote_plus(scope["query_string"].decode("latin-1"))
    return f"{scope['path']} {unquote_plus(scope['path'])} {query} {unquote_plus(query)}"


def _find_route_path(scope: Scope) -> str:
    route = scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return str(path) if path else "unrouted"
