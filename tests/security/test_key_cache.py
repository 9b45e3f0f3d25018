"""The cache of authenticated keys: an age that begins before the read, a bounded size, threads."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.rules.permissions import Caller, Role
from app.security import authenticators, store
from app.security.authenticators import KeyAuthenticator
from app.security.service import create
from tests.support.world import World, change_tuning


@pytest.fixture
def keys(world: World) -> list[str]:
    return [
        create(world.registry, name=f"系统 {number}", role=Role.approver, department="tax")
        for number in range(5)
    ]


def test_the_age_of_a_key_begins_before_its_read(
    world: World, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find_caller = store.find_caller

    def find_slowly(*arguments: object) -> Caller | None:
        found = find_caller(*arguments)  # type: ignore[arg-type]
        time.sleep(world.registry.settings.tuning.key_cache_seconds + 0.05)
        return found

    authenticator = KeyAuthenticator(world.registry)
    assert authenticator.authenticate(keys[0])
    assert authenticator.get_cached(keys[0])
    monkeypatch.setattr(store, "find_caller", find_slowly)
    assert authenticator.authenticate(keys[0])
    assert authenticator.get_cached(keys[0]) is None


def test_a_hit_does_not_make_a_key_younger(world: World, keys: list[str]) -> None:
    authenticator = KeyAuthenticator(world.registry)
    begin = time.monotonic()
    authenticator.authenticate(keys[0])
    while authenticator.get_cached(keys[0]):
        assert time.monotonic() - begin < world.registry.settings.tuning.key_cache_seconds + 1
        time.sleep(0.01)


def test_the_least_used_key_leaves_a_full_cache(
    world: World, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticators, "MAX_CACHED_KEYS", 3)
    change_tuning(world.registry.settings, key_cache_seconds=60)
    authenticator = KeyAuthenticator(world.registry)
    for key in keys[:3]:
        authenticator.authenticate(key)
    assert authenticator.get_cached(keys[0])
    authenticator.authenticate(keys[3])
    cached = [authenticator.get_cached(key) is not None for key in keys]
    assert cached == [True, False, True, True, False]


def test_threads_share_the_cache(
    world: World, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticators, "MAX_CACHED_KEYS", 2)
    change_tuning(world.registry.settings, key_cache_seconds=0.002)
    authenticator = KeyAuthenticator(world.registry)

    def use(number: int) -> set[str]:
        names = set()
        for turn in range(60):
            key = keys[(number + turn) % len(keys)]
            caller = authenticator.get_cached(key) or authenticator.authenticate(key)
            assert caller is not None
            assert caller.name == f"系统 {keys.index(key)}"
            names.add(caller.name)
        return names

    with ThreadPoolExecutor(8) as pool:
        assert all(len(names) == len(keys) for names in pool.map(use, range(8)))
