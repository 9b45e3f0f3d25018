"""What a handler asks for: the registry, the caller with a permission, a turn to write."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryParameter
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.types import Scope

from app.audit import store as audit
from app.errors import (
    Busy,
    Fault,
    Forbidden,
    InvalidPayload,
    RegistryError,
    Sentence,
    TooManyAttempts,
    Unauthenticated,
)
from app.http.middleware import header
from app.http.validation import pointer
from app.registry import Registry
from app.rules.permissions import Caller, Permission
from app.security.keys import Recogniser

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key of the registry")


class Attempts:
    """Failed attempts of each source within the present minute, in this process."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute: datetime | None = None
        self._counts: Counter[str] = Counter()

    def exceeded(self, source: str, now: datetime) -> bool:
        """Count one more; True past the limit."""
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[source] += 1
        return self._counts[source] > self._limit


class Admission:
    """Turns to write: some at work, the rest in line on the event loop, first come first served.

    Waiting writers hold no pool thread, so they never keep a check, or the writer that they wait
    for, from running.
    """

    def __init__(self, slots: int, queue: int, wait_seconds: float) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it.

        Raises:
            Busy: the line is full, or the turn did not come in time.
        """
        if self._waiting >= self._queue and self._slots.locked():
            raise Busy(retry_after=1)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise Busy(retry_after=2) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


async def registry_of(request: Request) -> Registry:
    """The registry of the running app."""
    registry: Registry = request.app.state.registry
    return registry


RegistryDep = Annotated[Registry, Depends(registry_of)]


async def recognise(
    request: Request,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """The caller behind the key, with the permissions that the route names.

    Raises:
        SecretKeyMismatch, NotReady: nothing may be answered.
        Unauthenticated, TooManyAttempts: no valid key.
        Forbidden: the key's role lacks a permission.
        InvalidPayload: the query has a parameter that the operation does not know.
    """
    del credentials  # declared for the OpenAPI document
    return await caller_of(request.scope, [Permission(scope) for scope in needed.scopes])


async def caller_of(scope: Scope, needed: Iterable[Permission]) -> Caller:
    """The caller behind the key of a request, who has the permissions that it needs.

    Raises:
        SecretKeyMismatch, NotReady: nothing may be answered.
        Unauthenticated, TooManyAttempts: no valid key.
        Forbidden: the key's role lacks a permission.
        InvalidPayload: the query has a parameter that the operation does not know.
    """
    state = scope["app"].state
    registry: Registry = state.registry
    if not registry.ready:
        await run_in_threadpool(registry.require_ready)
    recogniser: Recogniser = state.recogniser
    caller = None
    key = key_shown(scope)
    if key is not None:
        caller = recogniser.remembered(key)
        if caller is None:
            caller = await run_in_threadpool(recogniser.look_up, key)
    if caller is None:
        raise await run_in_threadpool(refuse_unknown, Request(scope))
    scope.setdefault("state", {})["caller"] = caller  # `request.state`, for whoever refuses later
    if not all(map(caller.has_permission, needed)):
        raise Forbidden
    if scope["query_string"]:
        _refuse_unknown_parameters(Request(scope))
    return caller


def key_shown(scope: Scope) -> str | None:
    """The key that a request shows (RFC 6750, 2.1); None where it shows none."""
    scheme, _, key = (header(scope, b"authorization") or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a query parameter that the operation does not have.

    A mistyped filter that is ignored would list everything, and read as an answer to the question.

    Raises:
        InvalidPayload: names every such parameter, where its name is plainly one.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known = {
        parameter.alias
        for parameter in get_flat_params(route.dependant)
        if isinstance(parameter.field_info, QueryParameter)
    }
    if unknown := sorted(set(request.query_params) - known):
        raise InvalidPayload(
            faults=[
                Fault(
                    pointer(("query", name)),
                    "unknown_field",
                    Sentence("There is no such parameter here", "没有该查询参数"),
                )
                for name in unknown
            ]
        )


def refuse_unknown(request: Request) -> RegistryError:
    """Count an attempt without a valid key; the refusal to answer it with."""
    registry: Registry = request.app.state.registry
    attempts: Attempts = request.app.state.attempts
    source = request.client.host if request.client else "unknown"
    if attempts.exceeded(source, registry.clock.now()):
        # Past the limit the count in the ledger stands still: a flood must not become writes.
        return TooManyAttempts()
    audit.count_unknown_caller(registry, source)
    return Unauthenticated()


def needs(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's own type
    """A dependency on a caller with that permission; the OpenAPI document shows it."""
    return Security(recognise, scopes=[permission.value])


async def _write_turn(request: Request) -> AsyncIterator[None]:
    admission: Admission = request.app.state.admission
    async with admission.turn():
        yield


WRITE_TURN = Depends(_write_turn, scope="function")
"""For routes that change the registry, behind the permission that they need: who has no key gets no
turn. The turn ends before the answer is sent."""
