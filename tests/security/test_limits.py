"""The limiter of hits in a window: by the clock of the registry, bounded, shared by threads."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.clock import Clock
from app.security import limits
from app.security.limits import WindowLimiter


class SetClock(Clock):
    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 22, 2, 0, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def test_hits_past_the_limit_are_refused_until_the_window_ends(clock: SetClock) -> None:
    limiter = WindowLimiter(2, 60, clock)
    assert [limiter.hit("a") for _ in range(4)] == [True, True, False, False]
    clock.instant += timedelta(seconds=29)
    assert not limiter.hit("a")
    clock.instant += timedelta(seconds=1)
    assert [limiter.hit("a") for _ in range(3)] == [True, True, False]


def test_each_key_has_a_count_of_its_own(clock: SetClock) -> None:
    limiter = WindowLimiter(1, 60, clock)
    assert limiter.hit("a")
    assert limiter.hit("b")
    assert not limiter.hit("a")


def test_a_clock_that_is_set_back_does_not_extend_a_refusal(clock: SetClock) -> None:
    limiter = WindowLimiter(1, 60, clock)
    limiter.hit("a")
    assert not limiter.hit("a")
    clock.instant -= timedelta(days=1)
    assert limiter.hit("a")


def test_a_flood_of_keys_is_bounded_and_frees_no_active_key(
    clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_COUNTED_KEYS", 100)
    limiter = WindowLimiter(1, 60, clock)
    limiter.hit("active")
    for number in range(1_000):
        limiter.hit(str(number))
        if number % 50 == 0:
            assert not limiter.hit("active")
    assert len(limiter._counts) == 100
    assert not limiter.hit("active")


def test_threads_lose_no_hit(clock: SetClock) -> None:
    limiter = WindowLimiter(1_000, 60, clock)
    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(lambda _: limiter.hit("a"), range(1_500)))
    assert kept == 1_000
