"""Concurrent checks from several workers, and the records that they leave."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self
from uuid import UUID

import httpx
from sqlalchemy import func, select

from app.db.tables import Check, IndexedResult, UnindexedResult
from app.main import attach_registry
from app.registry import Registry
from tests.support.request_bodies import build_check
from tests.support.submission_workers import wait_for
from tests.support.world import World, create_unbound_app, serve_app, with_tuning

TIMEOUT_SECONDS = 60

CheckCall = Callable[[], httpx.Response]


def post_check(client: httpx.Client, *subjects: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Post a check that must be answered; `request_id` becomes the header."""
    request_id = options.pop("request_id", None)
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    answer = client.post("/v1/checks", json=build_check(*subjects, **options), headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read_standings(answer: dict[str, Any]) -> list[str]:
    """Read the standing of each subject, in order."""
    return [result["standing"] for result in answer["results"]]


def run_concurrently(calls: Iterable[CheckCall]) -> list[httpx.Response]:
    """Run each call in a thread of its own; return the answers in the order of the calls."""
    call_list = list(calls)
    with ThreadPoolExecutor(len(call_list)) as pool:
        futures = [pool.submit(ask) for ask in call_list]
        return [future.result(TIMEOUT_SECONDS) for future in futures]


class BlockedBatcher:
    """A batcher that answers no check while the block runs: all wait for one batch."""

    def __init__(self, world: World) -> None:
        self._batcher = world.check_service._small_batcher

    def __enter__(self) -> Self:
        assert not self._batcher._busy
        self._batcher._busy = True
        return self

    def wait_for_waiting_checks(self, size: int) -> None:
        """Wait until `size` checks are waiting."""
        wait_for(lambda: len(self._batcher._waiting) >= size, f"{size} that wait together")

    def __exit__(self, *_: object) -> None:
        waiting = self._batcher._waiting
        if not waiting:
            self._batcher._busy = False
            return
        loop = waiting[0][1].get_loop()
        loop.call_soon_threadsafe(self._batcher._start_soon, loop, 0)


def run_as_one_batch(
    world: World, calls: Iterable[CheckCall], *, size: int | None = None
) -> list[Any]:
    """Run the calls; `size` of them (by default all) are answered as one batch."""
    call_list = list(calls)
    with ThreadPoolExecutor(len(call_list)) as pool:
        with BlockedBatcher(world) as blocked_batcher:
            futures = [pool.submit(ask) for ask in call_list]
            blocked_batcher.wait_for_waiting_checks(len(call_list) if size is None else size)
        return [future.result(TIMEOUT_SECONDS) for future in futures]


@contextmanager
def open_second_worker(world: World, **tuning: Any) -> Iterator[World]:
    """Open another worker over the same registry, with other tuning."""
    other_app = create_unbound_app()
    registry = Registry.open(with_tuning(world.registry.settings, **tuning), world.clock)
    attach_registry(other_app, registry)
    assert registry.verify() is None
    with serve_app(other_app) as address:
        worker = World(registry, world.clock, address, other_app.state.check_service)
        yield worker
        worker.close()


def read_api_key(client: httpx.Client) -> str:
    """Read the API key of a client."""
    return client.headers["Authorization"].removeprefix("Bearer ")


def read_check_records(world: World) -> dict[str, Any]:
    """Read the recorded checks and look-ups, by their ids."""
    with world.registry.database.reading_ledger() as connection:
        rows = connection.execute(select(*Check.__table__.columns)).all()
    return {str(row.id): row for row in rows}


def count_recorded_results(registry: Registry) -> Counter[UUID]:
    """Count the results of each check, indexed or not."""
    counts: Counter[UUID] = Counter()
    with registry.database.reading_ledger() as connection:
        for table in (IndexedResult, UnindexedResult):
            query = select(table.check_id, func.count()).group_by(table.check_id)
            for check_id, count in connection.execute(query):
                counts[check_id] += count
    return counts
