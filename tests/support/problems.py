"""Requirements on every refusal: a complete problem document, and nothing written or disclosed."""

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.db.counter import read_head
from app.db.tables import Entry, EntryPerson, EntryVersion, Subject, SubjectIdentifier, SubjectName
from tests.support.world import World

PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
CLIENT_LOGGERS = ("httpx", "httpcore")
TABLES_WRITTEN_BY_PUSH = (Entry, EntryVersion, EntryPerson, Subject, SubjectIdentifier, SubjectName)


def read_problem(answer: httpx.Response) -> dict[str, Any]:
    """Read the problem document of an answer, which must be complete."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = answer.json()
    assert document.keys() >= PROBLEM_MEMBERS
    assert document["status"] == answer.status_code
    assert document["type"] == f"urn:redblack:problem:{document['code']}"
    assert document["request_id"] == answer.headers["X-Request-ID"]
    for item in document.get("errors", []):
        assert item.keys() == {"pointer", "code", "detail"}
    return document


def require_refused(
    answer: httpx.Response, status: int, code: str, pointer: str | None = None
) -> dict[str, Any]:
    """Require the refusal; the code of an invalid payload is that of the fault at the pointer."""
    assert answer.status_code == status, answer.text
    document = read_problem(answer)
    if status == 422:
        codes = {fault["code"] for fault in document["errors"]}
        assert document["code"] == (codes.pop() if len(codes) == 1 else "invalid_payload")
        assert (pointer, code) in [
            (item["pointer"], item["code"]) for item in document["errors"]
        ], answer.text
    else:
        assert document["code"] == code
    return document


def count_written_rows(world: World) -> tuple[int, ...]:
    """Count the rows of every table that a push writes, and read the last change number."""
    with world.registry.database.reading() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table))
            for table in TABLES_WRITTEN_BY_PUSH
        ]
        return (*map(int, counts), read_head(connection).seq)


def read_server_log(caplog: pytest.LogCaptureFixture) -> str:
    """Return the log of the server, without that of the client of the test."""
    return "\n".join(
        f"{record.getMessage()} {record.exc_text or ''}"
        for record in caplog.records
        if not record.name.startswith(CLIENT_LOGGERS)
    )
