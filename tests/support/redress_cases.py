"""Objections and applications for repair over HTTP, and the state that a refusal must keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from sqlalchemy import func, select

from app.db.counter import read_head
from app.db.tables import AuditRecord, EntryPerson, EntryStatusChange, EntryVersion, RedressCase
from app.rules.permissions import Role
from app.security.service import create
from tests.support.world import World

View = dict[str, Any]
APPLICANT = {"kind": "delegated", "name": "李某", "proof_ref": "SQ-2026-15"}


def build_objection(**changes: Any) -> View:
    """Build the objection of a subject to an entry."""
    return {"applicant": APPLICANT, "grounds": "所列欠薪已于决定前全部结清", **changes}


def build_evidence(completed_on: str, means: str = "correction") -> View:
    """Build a document on one of the means of repair."""
    return {
        "means": means,
        "description": "全部工资已支付",
        "reference": "ZJ-2026-44",
        "completed_on": completed_on,
    }


def build_application(corrected_on: str = "2026-04-20", **changes: Any) -> View:
    """Build an application for repair with its correction and its promise; None removes a field."""
    body = {
        "applicant": APPLICANT,
        "evidence": [build_evidence(corrected_on)],
        "promise": {"reference": "CN-2026-9", "signed_on": "2026-11-20"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def create_official_client(
    world: World, person: str, department: str = "human_resources"
) -> httpx.Client:
    """Open a client with a new key of a department that is bound to a person."""
    key = create(
        world.registry,
        name=f"{department} {person}",
        role=Role.department,
        department=department,
        person=person,
    )
    return world.client(key)


def require_status(answer: httpx.Response, status: int = 200) -> View:
    """Return the body of an answer that must have that status."""
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def read_entry(api: httpx.Client, entry: View, **query: Any) -> View:
    """Read the entry as one client sees it."""
    return require_status(api.get(f"/v1/entries/{entry['id']}", params=query))


def open_case(api: httpx.Client, entry: View, kind: str, body: View) -> View:
    """Open a case of an entry; the kind is `objections` or `repairs`."""
    return require_status(api.post(f"/v1/entries/{entry['id']}/{kind}", json=body), 201)


def take_case_step(
    api: httpx.Client,
    case: View,
    action: str,
    body: View,
    version: int | None = None,
    *,
    entry_id: str | None = None,
) -> httpx.Response:
    """Take a step of a case; with a version if the step changes the entry."""
    path = f"/v1/entries/{entry_id or case['entry_id']}/{case['kind']}s/{case['id']}/{action}"
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return api.post(path, json=body, headers=headers)


def read_stored_state(world: World) -> tuple[Any, ...]:
    """Read the state that a change alters: numbers, versions, cases, audit records."""
    with world.registry.database.reading() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table))
            for table in (EntryVersion, EntryStatusChange, EntryPerson)
        ]
        # A key that the test creates meanwhile does not count.
        audit_count = select(func.count()).where(AuditRecord.action != "key_created")
        counts.append(connection.scalar(audit_count))
        cases = connection.execute(
            select(
                RedressCase.id,
                RedressCase.state,
                RedressCase.due_on,
                RedressCase.due_provisional,
                RedressCase.steps,
            ).order_by(RedressCase.id)
        )
        return (*counts, read_head(connection).seq, [tuple(case) for case in cases])


@contextmanager
def require_unchanged(world: World) -> Iterator[None]:
    """Require that the block changes nothing."""
    state_before = read_stored_state(world)
    yield
    assert read_stored_state(world) == state_before


def read_changes(api: httpx.Client, after: int) -> list[tuple[str, str]]:
    """Read the feed from a number on: the operation and the entry of each change."""
    page = require_status(api.get("/v1/changes", params={"after": after}))
    return [(change["op"], change["entry_id"]) for change in page["changes"]]


def read_head_seq(world: World) -> int:
    """Read the newest sequence number."""
    with world.registry.database.reading() as connection:
        return read_head(connection).seq
