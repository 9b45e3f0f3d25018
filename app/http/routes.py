"""Routes that see the key and its permissions before the body of a request.

FastAPI reads and parses a body before it solves dependencies, so the body of a client
without a key would cost as much as any other.
"""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.http.deps import authenticate, needs, require_caller, require_writer
from app.http.problems import problems
from app.rules.permissions import Permission

KEY_DEPENDENCIES = frozenset({require_caller, require_writer})


class KeyFirstRoute(APIRoute):
    """A route that authenticates its caller before anything of the body is read.

    The permissions are those that its function declares by `needs` and `needs_to_write`. A route
    without them is public.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of FastAPI, behind the key and its permissions."""
        handle = super().get_route_handler()
        keyed = [part for part in _walk(self.dependant) if part.call in KEY_DEPENDENCIES]
        if not keyed:
            return handle
        needed = [Permission(scope) for part in keyed for scope in part.own_oauth_scopes or ()]

        async def handle_with_key(request: Request) -> Response:
            await authenticate(request.scope, needed)
            return await handle(request)

        return handle_with_key


class KeyedRouter(APIRouter):
    """A router of a room: its routes see the key first, and may answer with any common problem."""

    def __init__(self, *, prefix: str, tag: str, needed: Permission | None = None) -> None:
        """Make a router; `needed` is a permission that all its routes need."""
        super().__init__(
            prefix=prefix,
            tags=[tag],
            dependencies=[] if needed is None else [needs(needed)],
            responses=problems(),
            route_class=KeyFirstRoute,
        )


def _walk(dependant: Dependant) -> Iterator[Dependant]:
    for part in dependant.dependencies:
        yield part
        yield from _walk(part)
