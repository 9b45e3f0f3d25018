"""Every operation requires one permission, and the roles have the permissions of the table."""

import pytest
from fastapi import FastAPI

from app.rules.permissions import PERMISSIONS_BY_ROLE, Permission, Role
from tests.support.openapi_operations import (
    fill_path_parameters,
    iterate_operations,
    read_example_body,
    read_required_permission,
)
from tests.support.world import World

VERIFICATION = ("GET", "/v1/verifications/{verification_code}")
PUBLIC = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), VERIFICATION}
QUERIES = {"/v1/calendar/deadline": {"decided_on": "2026-11-20"}}


OTHER_REFUSALS = {"not_your_list", "person_key_required"}
"""Refusals of a key that has the permission of the operation."""


def test_every_operation_but_the_public_ones_asks_for_one_permission(app: FastAPI) -> None:
    public = set()
    for method, path, operation in iterate_operations(app):
        if operation.get("security") == []:
            public.add((method, path))
        else:
            assert read_required_permission(operation) in Permission, (method, path)
    assert public == PUBLIC


def test_every_permission_is_asked_for_and_granted_somewhere(app: FastAPI) -> None:
    asked = {
        read_required_permission(each) for _, _, each in iterate_operations(app) if each["security"]
    }
    assert asked == set(Permission)
    assert set().union(*PERMISSIONS_BY_ROLE.values()) == set(Permission)
    assert set(PERMISSIONS_BY_ROLE) == set(Role)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_the_table_grants_and_nothing_else(
    world: World, app: FastAPI, role: Role
) -> None:
    api = world.api(role)
    for method, path, operation in iterate_operations(app):
        if operation["security"] == []:
            continue
        body = read_example_body(app, operation)
        needed = read_required_permission(operation)
        answer = api.request(
            method,
            fill_path_parameters(path),
            json=body,
            params=QUERIES.get(path),
            headers={"If-Match": '"1"'},
        )
        assert answer.status_code < 500, (method, path, answer.text)
        context = (role, method, path, answer.status_code)
        if needed not in PERMISSIONS_BY_ROLE[role]:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), context
        elif needed is Permission.check_create and role is not Role.approver:
            # The present is for approvers; other roles re-examine the past with the same operation.
            past = api.request(method, fill_path_parameters(path), json=body | {"on": "2026-11-20"})
            assert past.status_code == 200, context
        else:
            assert answer.status_code != 403 or answer.json()["code"] in OTHER_REFUSALS, context


@pytest.mark.parametrize("role", list(Role))
def test_the_lack_of_a_permission_comes_before_every_fault(
    world: World, app: FastAPI, role: Role
) -> None:
    api = world.api(role)
    for method, path, operation in iterate_operations(app):
        if (
            operation["security"] == []
            or read_required_permission(operation) in PERMISSIONS_BY_ROLE[role]
        ):
            continue
        bent = path.replace("{code}", "x").replace("{entry_id}", "y").replace("{check_id}", "z")
        answer = api.request(
            method,
            bent.replace("{subject_id}", "w"),
            json={"nonsense": True} if method == "POST" else None,
            params={"limit": "-1", "on": "never"},
        )
        assert answer.status_code == 403, (role, method, path, answer.status_code)


def test_without_a_key_every_operation_is_closed(world: World, app: FastAPI) -> None:
    app.state.authenticator.attempts._limit = 1_000
    nobody = world.client(None)
    for method, path, operation in iterate_operations(app):
        answer = nobody.request(
            method, fill_path_parameters(path), json=read_example_body(app, operation)
        )
        expected = 200 if (method, path) in PUBLIC else 401
        if (method, path) == VERIFICATION:  # open to all, and there is no such report
            expected = 404
        assert answer.status_code == expected, (method, path, answer.status_code)
