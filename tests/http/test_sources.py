"""Sources of attempts without a valid key, and the page /docs."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.types import Message

from app.db.tables import UnknownCaller
from tests.support.numbers import build_resident_id
from tests.support.world import World


def try_from(app: FastAPI, host: str) -> None:
    """Send one request with an unknown key from a source, as a trusted proxy gives it."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/entries",
        "raw_path": b"/v1/entries",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", b"Bearer rbk_unknown")],
        "client": (host, 1),
        "server": ("localhost", 80),
    }

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        assert message.get("status", 401) == 401

    asyncio.run(app(scope, receive, send))


def test_a_source_is_kept_only_as_an_address(world: World, app: FastAPI) -> None:
    number = build_resident_id(1)
    for host in (number, "2001:db8::1", "2001:db8::2", "192.0.2.1"):
        try_from(app, host)
    with world.registry.database.reading_ledger() as connection:
        sources = set(connection.scalars(select(UnknownCaller.source)))
    assert sources == {"unknown", "2001:db8::/64", "192.0.2.1"}


def test_a_stranger_does_not_choose_its_source(world: World) -> None:
    client = world.client("rbk_unknown")
    statuses = [
        client.get("/v1/entries", headers={"X-Forwarded-For": f"192.0.2.{serial}"}).status_code
        for serial in range(70)
    ]
    assert 429 in statuses


@pytest.mark.parametrize("backend", ["sqlite"])
def test_docs_run_their_own_scripts_alone(world: World) -> None:
    answer = httpx.get(f"{world.address}/docs", trust_env=False)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert policy.count("'sha256-") == answer.text.count("<script>") == 1
    for source in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
        assert source.startswith("/static-offline-docs/")
        assert httpx.get(f"{world.address}{source}", trust_env=False).status_code == 200
