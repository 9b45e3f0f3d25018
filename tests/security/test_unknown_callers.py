"""Callers without a valid key are counted by source and minute, and limited."""

from typing import Any

import pytest
from fastapi import FastAPI

from app.db.tables import UnknownCaller
from app.security.limits import WindowLimiter
from tests.support.world import World


@pytest.fixture(autouse=True)
def few(world: World, app: FastAPI) -> None:
    app.state.authenticator.attempts = WindowLimiter(3, 60, world.clock)


def counted(world: World) -> list[Any]:
    with world.registry.database.reading_ledger() as connection:
        return list(connection.execute(UnknownCaller.__table__.select()))


def test_attempts_are_counted_in_one_row_a_minute(world: World) -> None:
    nobody = world.client("nonsense")
    for _ in range(2):
        assert nobody.get("/v1/matters").status_code == 401
    [row] = counted(world)
    assert (row.source, row.attempts) == ("127.0.0.1", 2)
    assert row.minute.isoformat() == "2026-11-22T02:00:00+00:00"


def test_past_the_limit_it_is_429_and_nothing_is_written_any_more(world: World) -> None:
    nobody = world.client(None)
    statuses = [nobody.get("/v1/matters").status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]
    answer = nobody.get("/v1/matters")
    assert answer.json()["code"] == "too_many_attempts"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    [row] = counted(world)
    assert row.attempts == 3


def test_the_limit_is_reset_in_the_next_minute(world: World) -> None:
    nobody = world.client(None)
    for _ in range(5):
        nobody.get("/v1/matters")
    world.clock.instant = world.clock.instant.replace(minute=1)
    assert nobody.get("/v1/matters").status_code == 401
    assert sorted(row.attempts for row in counted(world)) == [1, 3]


def test_a_valid_key_from_the_same_source_is_answered_all_the_same(world: World) -> None:
    nobody = world.client(None)
    for _ in range(5):
        nobody.get("/v1/matters")
    assert world.api("approver").get("/v1/matters").status_code == 200


def test_public_answers_are_not_held_back(world: World) -> None:
    nobody = world.client(None)
    for _ in range(5):
        nobody.get("/v1/matters")
    assert nobody.get("/healthz").status_code == 200
    assert nobody.get("/readyz").status_code == 200
