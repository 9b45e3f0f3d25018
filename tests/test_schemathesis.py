"""Requests that the document allows, and many that it does not: no 5xx, no undocumented answer."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.rules.permissions import PERMISSIONS_BY_ROLE, Permission, Role
from app.submissions import router
from tests.conftest import DATABASES
from tests.support.request_bodies import (
    build_check,
    build_person,
    build_question,
    build_red_changes,
)
from tests.support.world import RegistryTemplates, World, create_unbound_app, open_world

pytestmark = pytest.mark.skipif("sqlite" not in DATABASES, reason="SQLite is not to be tested")

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ASKED_AS = (Role.approver, Role.department, Role.auditor, Role.operator)
EXAMPLES = 8

# Files are sent unchanged, whatever their media type claims.
for media_type in (router.NDJSON_MEDIA_TYPE, router.XLSX_MEDIA_TYPE):
    schemathesis.serializer.alias(media_type, "application/octet-stream")

schema = schemathesis.openapi.from_dict(
    create_unbound_app().openapi(),
    config=schemathesis.Config.from_dict({"seed": 20261122}),
)
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def stage(templates: RegistryTemplates, app: FastAPI, address: str) -> Iterator[World]:
    """A registry with some data of every kind, on SQLite."""
    made = templates.create_copy("sqlite")
    world = open_world(made, app, address)
    yield world
    world.close()
    templates.drop_copy(made)


@pytest.fixture(scope="module")
def known(stage: World) -> dict[str, str]:
    """Values of path parameters that exist."""
    stage.record(**build_red_changes())
    entry = stage.record()
    stage.record(source_ref="P", subject=build_person(name="李某"), responsible_persons=None)
    answer = stage.api("approver").post("/v1/checks", json=build_check(build_question()))
    sent = stage.api().post("/v1/submissions", content=b"name,source_ref,decided_on\n1,2,3\n")
    return {
        "submission_id": sent.json()["submission_id"],
        "entry_id": entry["id"],
        "subject_id": entry["subject"]["id"],
        "check_id": answer.json()["check_id"],
        "code": build_question()["number"],
    }


def role_for(operation: dict[str, Any]) -> str:
    needed = {Permission(scope) for way in operation["security"] for scope in way.get("key", ())}
    if Permission.own_report_issue in needed:
        return "operator"  # a department would need the key of a person
    return next(role for role in ASKED_AS if needed <= PERMISSIONS_BY_ROLE[role])


def lead_somewhere(case: schemathesis.Case, known: dict[str, str]) -> None:
    """Replace made-up ids by real ones; other values stay as they are."""
    for name in known.keys() & case.path_parameters.keys():
        value = case.path_parameters[name]
        if name == "code" or _is_id(value):
            case.path_parameters[name] = known[name]


def _is_id(value: object) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@schema.parametrize()
@bounded
def test_no_request_finds_an_answer_that_is_not_documented(
    case: schemathesis.Case, stage: World, known: dict[str, str]
) -> None:
    lead_somewhere(case, known)
    key = stage.api(role_for(case.operation.definition.raw)).headers["Authorization"]
    case.call_and_validate(base_url=stage.address, headers={"Authorization": key}, checks=CHECKS)
