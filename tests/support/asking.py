"""Checks that are asked together, from several workers, and what is then on record of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

import httpx
from sqlalchemy import func, select

from app.db.tables import Check, CheckResult, RecentResult
from app.main import equip
from app.registry import Registry
from tests.support.facts import check
from tests.support.workers import wait_for
from tests.support.world import World, describe_app, served

PATIENCE_SECONDS = 60

Ask = Callable[[], httpx.Response]


def answered(client: httpx.Client, *subjects: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A check that must be answered; `request_id` becomes the header."""
    request_id = more.pop("request_id", None)
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    answer = client.post("/v1/checks", json=check(*subjects, **more), headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def standings(answer: dict[str, Any]) -> list[str]:
    """What was found for each subject, in order."""
    return [result["standing"] for result in answer["results"]]


def at_once(asks: Iterable[Ask]) -> list[httpx.Response]:
    """Everybody asks in a thread of their own; the answers in the order of the asking."""
    waiting = list(asks)
    with ThreadPoolExecutor(len(waiting)) as pool:
        done = [pool.submit(ask) for ask in waiting]
        return [one.result(PATIENCE_SECONDS) for one in done]


class Held:
    """Nobody is answered while the block runs, so that whoever asks waits for the same group."""

    def __init__(self, world: World) -> None:
        self._together = world.desk._together

    def __enter__(self) -> Self:
        assert not self._together._busy
        self._together._busy = True
        return self

    def wait_for(self, size: int) -> None:
        """Until so many wait to be answered."""
        wait_for(lambda: len(self._together._waiting) >= size, f"{size} that wait together")

    def __exit__(self, *_: object) -> None:
        waiting = self._together._waiting
        if not waiting:
            self._together._busy = False
            return
        loop = waiting[0][1].get_loop()
        loop.call_soon_threadsafe(self._together._begin_soon, loop, 0)


def as_one_group(world: World, asks: Iterable[Ask], *, size: int | None = None) -> list[Any]:
    """Everybody asks, and `size` of them (all, where it is not said) are answered together."""
    waiting = list(asks)
    with ThreadPoolExecutor(len(waiting)) as pool:
        with Held(world) as held:
            done = [pool.submit(ask) for ask in waiting]
            held.wait_for(len(waiting) if size is None else size)
        return [one.result(PATIENCE_SECONDS) for one in done]


@contextmanager
def beside(world: World, **settings: Any) -> Iterator[World]:
    """Another worker over the same registry."""
    other = describe_app()
    registry = Registry.open(world.registry.settings.model_copy(update=settings), world.clock)
    equip(other, registry)
    assert registry.verify() is None
    with served(other) as address:
        worker = World(registry, world.clock, address, other.state.desk)
        yield worker
        worker.close()


def key_of(client: httpx.Client) -> str:
    """The key that a client shows."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def on_record(world: World) -> dict[str, Any]:
    """The checks and look-ups on record, by their ids."""
    with world.registry.database.reading_ledger() as connection:
        rows = connection.execute(select(*Check.__table__.columns)).all()
    return {str(row.id): row for row in rows}


def results_on_record(registry: Registry) -> Counter[UUID]:
    """How many results each check has, sorted in or not."""
    counts: Counter[UUID] = Counter()
    with registry.database.reading_ledger() as connection:
        for table in (CheckResult, RecentResult):
            found = select(table.check_id, func.count()).group_by(table.check_id)
            for check_id, count in connection.execute(found):
                counts[check_id] += count
    return counts
