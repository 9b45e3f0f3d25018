"""No operation reads its body before the key and its permission are seen."""

import asyncio
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message

from app.main import build_served_app
from app.rules.permissions import PERMISSIONS_BY_ROLE, Role
from app.settings import Settings
from tests.support.openapi_operations import (
    fill_path_parameters,
    iterate_operations,
    read_required_permission,
)
from tests.support.world import World


class BodyWasRead(AssertionError):
    """The app asked for the body of a request that it refuses."""


def call(served: ASGIApp, method: str, path: str, key: str | None) -> int:
    """Call the served app with a body that cannot be read; return the status."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers.append((b"content-length", b"1900000"))
    if key is not None:
        headers.append((b"authorization", key.encode()))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    statuses: list[int] = []

    async def receive() -> Message:
        raise BodyWasRead(path)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    asyncio.run(served(scope, receive, send))
    [status] = statuses
    return status


def test_a_request_without_a_permission_is_refused_unread(world: World, app: FastAPI) -> None:
    served = build_served_app(app, Settings(_env_file=None))
    no_key = {401, 429}  # the attempts of one source are limited
    tried = 0
    for method, path, operation in iterate_operations(app):
        if "requestBody" not in operation or operation.get("security") == []:
            continue
        permission = read_required_permission(operation)
        address = fill_path_parameters(path)
        assert call(served, method, address, None) in no_key, path
        assert call(served, method, address, "Bearer rbk_unknown") in no_key, path
        for role in Role:
            if permission not in PERMISSIONS_BY_ROLE[role]:
                key = world.api(role.value).headers["Authorization"]
                assert call(served, method, address, key) == 403, (path, role)
                tried += 1
    assert tried > 20
