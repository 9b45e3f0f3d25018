"""Batching of work: every caller gets its own answer, in batches of limited size."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from app.jobs.batching import Batcher, run_batch


class Office:
    """Answers numbers with their doubles, and records the batches in which they came."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.threads: set[str] = set()
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.refusals: dict[int, Exception] = {}
        self.failure: Exception | None = None

    def work(self, group: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(group))
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return [self.refusals.get(number, number * 2) for number in group]


def run(
    scenario: Callable[[Office, Batcher[int, int]], Coroutine[Any, Any, Any]], max_size: int = 64
) -> Office:
    """Run a scenario with an office to its end."""
    office = Office()
    batcher = Batcher[int, int](office.work, max_size=max_size, name="office")
    try:
        asyncio.run(asyncio.wait_for(scenario(office, batcher), 20))
    finally:
        office.go_on.set()
        batcher.close()
    return office


async def at_work(
    office: Office, batcher: Batcher[int, int], number: int = 0
) -> "asyncio.Task[int]":
    """Start the office on one number; it continues when the test allows it."""
    office.go_on.clear()
    first = asyncio.create_task(batcher.submit(number))
    assert await asyncio.to_thread(office.begun.wait, 10)
    return first


def test_who_comes_alone_is_answered_alone() -> None:
    async def scenario(_: Office, batcher: Batcher[int, int]) -> None:
        assert await batcher.submit(1) == 2
        assert await batcher.submit(2) == 4

    assert run(scenario).groups == [[1], [2]]


def test_who_comes_together_is_answered_together_in_order() -> None:
    async def scenario(_: Office, batcher: Batcher[int, int]) -> None:
        answers = await asyncio.gather(*map(batcher.submit, range(50)))
        assert answers == [number * 2 for number in range(50)]

    office = run(scenario)
    assert office.groups == [list(range(50))]
    assert len(office.threads) == 1


def test_a_batch_has_a_limited_size_and_every_item_is_answered() -> None:
    async def scenario(_: Office, batcher: Batcher[int, int]) -> None:
        answers = await asyncio.gather(*map(batcher.submit, range(10)))
        assert answers == [number * 2 for number in range(10)]

    assert run(scenario, max_size=4).groups == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_who_comes_while_a_group_is_at_work_shares_the_next_one() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        first = await at_work(office, batcher)
        later = [asyncio.create_task(batcher.submit(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0.01)
        assert office.groups == [[0]]
        assert not any(one.done() for one in (first, *later))
        office.go_on.set()
        assert await asyncio.gather(first, *later) == [0, 2, 4, 6]

    assert run(scenario).groups == [[0], [1, 2, 3]]


def test_who_asks_again_at_once_comes_along_with_those_who_wait() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        async def twice() -> None:
            assert await batcher.submit(0) == 0
            assert await batcher.submit(7) == 14

        office.go_on.clear()
        asking = asyncio.create_task(twice())
        assert await asyncio.to_thread(office.begun.wait, 10)
        waiting = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0.01)
        office.go_on.set()
        await asyncio.gather(asking, waiting)

    assert run(scenario).groups == [[0], [1, 7]]


def test_the_failure_of_one_item_reaches_its_caller_alone() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        office.refusals[1] = KeyError("one")
        outcomes = await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)
        assert (outcomes[0], outcomes[2]) == (0, 4)
        assert outcomes[1] is office.refusals[1]

    assert run(scenario).groups == [[0, 1, 2]]


def test_the_failure_of_a_batch_reaches_its_callers_alone() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        office.failure = OSError("away")
        outcomes = await asyncio.gather(*map(batcher.submit, range(3)), return_exceptions=True)
        assert [type(one) for one in outcomes] == [OSError] * 3
        office.failure = None
        assert await batcher.submit(5) == 10

    assert run(scenario).groups == [[0, 1, 2], [5]]


def test_those_who_wait_behind_a_group_that_fails_are_answered() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        office.failure = OSError("away")
        first = await at_work(office, batcher)
        second = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0.01)
        office.go_on.set()
        with pytest.raises(OSError, match="away"):
            await first
        office.failure = None
        assert await second == 2

    assert run(scenario).groups == [[0], [1]]


def test_a_cancelled_caller_does_not_stop_the_batch() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        first = await at_work(office, batcher)
        gone, stays = (asyncio.create_task(batcher.submit(number)) for number in (1, 2))
        await asyncio.sleep(0.01)
        for one in (first, gone):
            one.cancel()
        await asyncio.sleep(0)
        assert first.cancelled()
        assert gone.cancelled()
        office.go_on.set()
        assert await stays == 4
        assert await batcher.submit(3) == 6

    # A submitted item is answered, and so recorded, even if its caller no longer waits.
    assert run(scenario).groups == [[0], [1, 2], [3]]


def test_closing_waits_for_what_is_under_way() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        first = await at_work(office, batcher)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.02)
        assert not closing.done()
        office.go_on.set()
        assert await first == 0
        await closing

    assert run(scenario).groups == [[0]]


def test_a_late_caller_is_refused_without_waiting() -> None:
    async def scenario(office: Office, batcher: Batcher[int, int]) -> None:
        first = await at_work(office, batcher)
        behind = asyncio.create_task(batcher.submit(1))
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.02)
        office.go_on.set()
        assert await first == 0
        await closing
        with pytest.raises(RuntimeError):
            await behind
        with pytest.raises(RuntimeError):
            await batcher.submit(2)

    assert run(scenario).groups == [[0]]


def test_a_thousand_questions_are_answered_once_each() -> None:
    async def scenario(_: Office, batcher: Batcher[int, int]) -> None:
        async def ask(number: int) -> int:
            await asyncio.sleep((number % 7) / 1_000)
            return await batcher.submit(number)

        assert await asyncio.gather(*map(ask, range(1_000))) == [n * 2 for n in range(1_000)]

    office = run(scenario)
    assert sorted(number for group in office.groups for number in group) == list(range(1_000))
    assert max(map(len, office.groups)) == 64


# --- one failure would fail all ----------------------------------------------------


class Counter:
    """Doubles numbers, all or none of them; records its calls."""

    def __init__(self, *broken: int, error: type[Exception] = ValueError) -> None:
        self.broken = broken
        self.error = error
        self.asked: list[list[int]] = []

    def double(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.asked.append(list(numbers))
        if set(numbers) & set(self.broken):
            raise self.error
        return [number * 2 for number in numbers]

    def together(self, *numbers: int) -> list[int | Exception]:
        return list(
            run_batch(self.double, numbers, is_fatal=lambda error: isinstance(error, OSError))
        )


def test_what_goes_together_is_done_once() -> None:
    counter = Counter()
    assert counter.together(1, 2, 3) == [2, 4, 6]
    assert counter.asked == [[1, 2, 3]]


def test_after_a_failed_batch_each_item_runs_alone() -> None:
    counter = Counter(2)
    first, second, third = counter.together(1, 2, 3)
    assert (first, third) == (2, 6)
    assert isinstance(second, ValueError)
    assert counter.asked == [[1, 2, 3], [1], [2], [3]]


def test_one_that_fails_is_not_tried_again() -> None:
    counter = Counter(1)
    with pytest.raises(ValueError, match=r"^$"):
        counter.together(1)
    assert counter.asked == [[1]]


def test_what_is_hopeless_is_not_tried_for_each() -> None:
    counter = Counter(2, error=OSError)
    with pytest.raises(OSError, match=r"^$"):
        counter.together(1, 2, 3)
    assert counter.asked == [[1, 2, 3]]
