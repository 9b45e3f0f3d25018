"""Keys: created once, stored hashed, recognised, revoked."""

import time
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from app.db.tables import ApiKey
from app.errors import InvalidPayload
from app.main import attach_registry
from app.registry import Registry
from app.rules.permissions import Role
from app.security.service import create, revoke
from app.security.store import hash_key
from tests.support.request_bodies import PERSON_RESIDENT_ID
from tests.support.world import World, create_unbound_app, serve_app, with_tuning


def status_of(client: httpx.Client) -> int:
    return client.get("/v1/matters").status_code


def id_of(world: World, key: str) -> UUID:
    with world.registry.database.reading() as connection:
        found = connection.scalar(
            select(ApiKey.__table__.c.id).where(ApiKey.__table__.c.key_hash == hash_key(key))
        )
    assert found is not None
    return found


@pytest.fixture
def key(world: World) -> str:
    return create(world.registry, name="审批系统", role=Role.approver, department="tax")


def test_a_key_is_recognised(world: World, key: str) -> None:
    assert status_of(world.client(key)) == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer rbk_0000000000000000000000000000000000000000000",
        "Bearer nonsense",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 8_000,
        "Basic dXNlcjpwYXNz",
        "Bearer a b",
    ],
)
def test_without_a_valid_key_nothing_is_answered(world: World, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = world.client(None).get("/v1/matters", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_one_changed_character_is_no_key(world: World, key: str) -> None:
    for place in (0, len(key) // 2, len(key) - 1):
        other = "A" if key[place] != "A" else "B"
        changed = key[:place] + other + key[place + 1 :]
        assert status_of(world.client(changed)) == 401
    assert status_of(world.client(key.swapcase())) == 401
    assert status_of(world.client(key[:-1])) == 401


def test_the_stored_hash_opens_nothing(world: World, key: str) -> None:
    assert status_of(world.client(hash_key(key))) == 401


def test_a_key_is_kept_as_a_hash_alone(world: World, key: str) -> None:
    assert status_of(world.client(key)) == 200
    secret = key.removeprefix("rbk_")
    with world.registry.database.reading() as connection:
        rows = connection.execute(ApiKey.__table__.select()).all()
        trail = connection.execute(text("SELECT * FROM audit_records")).all()
    assert [row.key_hash for row in rows] == [hash_key(key)]
    assert secret not in str(rows)
    assert secret not in str(trail)
    assert hash_key(key) not in str(trail)


def test_a_revoked_key_stops_within_the_promised_seconds(world: World, key: str) -> None:
    client = world.client(key)
    assert status_of(client) == 200
    assert revoke(world.registry, id_of(world, key))
    time.sleep(world.registry.settings.tuning.key_cache_seconds + 0.05)
    assert status_of(client) == 401


def test_a_key_is_revoked_once(world: World, key: str) -> None:
    key_id = id_of(world, key)
    assert revoke(world.registry, key_id) is True
    assert revoke(world.registry, key_id) is False
    assert revoke(world.registry, UUID(int=0)) is False


def test_every_worker_hears_of_a_revocation_within_two_seconds(world: World, key: str) -> None:
    settings = with_tuning(world.registry.settings, key_cache_seconds=1.0)
    other = create_unbound_app()
    registry = Registry.open(settings, world.clock)
    attach_registry(other, registry)
    try:
        with serve_app(other) as address:
            elsewhere = World(registry, world.clock, address, other.state.check_service).client(key)
            assert status_of(elsewhere) == 200
            revoke(world.registry, id_of(world, key))
            revoked = time.monotonic()
            while status_of(elsewhere) == 200:
                assert time.monotonic() - revoked < 2
                time.sleep(0.05)
            assert status_of(elsewhere) == 401
            elsewhere.close()
    finally:
        other.state.check_service.close()
        registry.close()


@pytest.mark.parametrize("role", [Role.department, Role.approver])
def test_who_acts_for_a_department_has_one(world: World, role: Role) -> None:
    with pytest.raises(InvalidPayload):
        create(world.registry, name="某系统", role=role)


@pytest.mark.parametrize(
    ("name", "who"),
    [
        (PERSON_RESIDENT_ID, None),
        ("某系统", f"张某 {PERSON_RESIDENT_ID}"),
        ("x" * 81, None),
        (" ", None),
    ],
)
def test_a_key_has_a_name_that_may_stand_in_every_record(
    world: World, name: str, who: str | None
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        create(world.registry, name=name, role=Role.operator, person=who)
    assert PERSON_RESIDENT_ID not in str(refused.value.detail)
