"""Dependencies of route functions: the registry, the caller with a permission, a write slot."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Protocol

from fastapi import Depends, Header, Request, Security
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Param
from fastapi.params import Query as QueryParameter
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from starlette.types import Scope

from app.errors import Fault, Forbidden, InvalidPayload, ProblemCode, Sentence
from app.http.context import prefers_chinese
from app.http.validation import pointer
from app.registry import Registry
from app.rules.permissions import Caller, Permission

PUBLIC: dict[str, list[str]] = {"security": []}
"""`openapi_extra` of a route that needs no key."""

bearer = HTTPBearer(auto_error=False, scheme_name="key", description="An API key of the registry")


class Authenticator(Protocol):
    """The part of the app that knows its callers (`app.security.authenticators`)."""

    async def identify(self, scope: Scope) -> Caller:
        """Return the caller behind the key of a request.

        Raises:
            SecretKeyMismatch, NotReady: the registry may answer nothing.
            Unauthenticated, TooManyAttempts: the request has no valid key.
        """


class WriteSlots(Protocol):
    """The part of the app that limits how many changes run at once (`app.security.limits`)."""

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for a write slot, and hold it while the block runs.

        Raises:
            Busy: the queue is full, or no slot became free in time.
        """


async def registry_of(request: Request) -> Registry:
    """Return the registry of the running app."""
    registry: Registry = request.app.state.registry
    return registry


RegistryDep = Annotated[Registry, Depends(registry_of)]


async def detect_chinese(
    accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> bool:
    """Return True if the reader of the response prefers Chinese."""
    return prefers_chinese(accept_language)


ChineseDep = Annotated[bool, Depends(detect_chinese)]


async def require_caller(
    request: Request,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Return the caller behind the key, with the permissions that the route names.

    Raises:
        RegistryError: see `authenticate`.
    """
    del credentials  # declared for the OpenAPI document
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None and all(
        known.has_permission(Permission(scope)) for scope in needed.scopes
    ):
        return known  # `KeyFirstRoute` authenticated the caller
    return await authenticate(request.scope, [Permission(scope) for scope in needed.scopes])


async def authenticate(scope: Scope, needed: Iterable[Permission]) -> Caller:
    """Return the caller behind the key of a request, who has the permissions that it needs.

    Raises:
        SecretKeyMismatch, NotReady: the registry may answer nothing.
        Unauthenticated, TooManyAttempts: the request has no valid key.
        Forbidden: the key's role lacks a permission.
        InvalidPayload: the query has a parameter that the operation does not know.
    """
    authenticator: Authenticator = scope["app"].state.authenticator
    caller = await authenticator.identify(scope)
    scope.setdefault("state", {})["caller"] = caller  # `request.state`, read by a later refusal
    if not all(map(caller.has_permission, needed)):
        raise Forbidden
    if scope["query_string"]:
        _refuse_unknown_parameters(Request(scope))
    return caller


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
        or not isinstance(parameter.field_info, Param)  # a field of a model of query parameters
    }
    if unknown := sorted(set(request.query_params) - known):
        raise InvalidPayload(
            faults=[
                Fault(
                    pointer(("query", name)),
                    ProblemCode.unknown_field,
                    Sentence("There is no such parameter here", "没有该查询参数"),
                )
                for name in unknown
            ]
        )


def needs(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's own type
    """Return a dependency on a caller with that permission; the OpenAPI document shows it."""
    return Security(require_caller, scopes=[permission.value])


async def _write_slot(request: Request) -> AsyncIterator[None]:
    slots: WriteSlots = request.app.state.write_limiter
    async with slots.slot():
        yield


WRITE_SLOT = Depends(_write_slot, scope="function")
"""A dependency that holds a write slot; it is released before the response is sent."""


async def require_writer(
    caller: Annotated[Caller, Security(require_caller)],
    slot: Annotated[None, WRITE_SLOT],
) -> Caller:
    """Return the caller with the permissions that the route names, who then holds a write slot.

    A caller without permission gets no slot.

    Raises:
        RegistryError: see `authenticate`.
        Busy: no slot became free in time.
    """
    del slot  # held until the route function returns
    return caller


def needs_to_write(permission: Permission) -> Any:  # noqa: ANN401 - FastAPI's own type
    """Return a dependency on a caller with that permission, who holds a write slot."""
    return Security(require_writer, scopes=[permission.value])
