"""Results are indexed by requested subject in a quiet time; readers see them before that too."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import func, select

from app.checks import result_indexing, store
from app.checks.result_indexing import ResultIndexer
from app.db.engines import DatabaseError
from app.db.tables import IndexedResult, UnindexedResult
from app.jobs import idle
from app.registry import Registry
from tests.conftest import DATABASES
from tests.support.check_requests import (
    BlockedBatcher,
    open_second_worker,
    post_check,
    read_api_key,
)
from tests.support.investigations import load_basis
from tests.support.numbers import build_uscc
from tests.support.own_reports import build_own_report_body, issue_report
from tests.support.request_bodies import BUILDER_USCC, build_check, build_question
from tests.support.submission_workers import wait_for
from tests.support.world import World

NEVER = 1_000.0
ONE_DATABASE = DATABASES[:1]
"""For behaviour that is the same on both."""
INVESTIGATION = {"basis": "municipal_inquiry", "until": "2026-12-31"}


@pytest.fixture(autouse=True)
def prevent_indexing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index nothing except in the test itself."""
    monkeypatch.setattr(idle, "QUIET_SECONDS", NEVER)


def count_unindexed(registry: Registry) -> int:
    with registry.database.reading_ledger() as connection:
        return connection.scalar(select(func.count()).select_from(UnindexedResult)) or 0


def count_indexed(registry: Registry) -> int:
    with registry.database.reading_ledger() as connection:
        return connection.scalar(select(func.count()).select_from(IndexedResult)) or 0


def read_results(registry: Registry, table: Any) -> set[tuple[Any, ...]]:
    """Return the results of a table, for any order of its columns."""
    names = ("check_id", "position", "asked_digest", "subject_id", "standing")
    with registry.database.reading_ledger() as connection:
        columns = [table.__table__.columns[name] for name in names]
        found = [tuple(row) for row in connection.execute(select(*columns))]
    assert len(found) == len(set(found))
    return set(found)


def index_results(registry: Registry, max_results: int = 1_000_000) -> int:
    with registry.database.ledger() as connection:
        return store.index_results(connection, max_results)


def look_up_subject(world: World, **more: Any) -> None:
    body = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询", **more}
    assert world.api().post("/v1/subjects/lookup", json=body).status_code == 200


def read_report_queries(world: World, **body: Any) -> list[dict[str, Any]]:
    return list(issue_report(world, build_own_report_body(**body))["queries"])


def ask_about_subjects(world: World) -> None:
    """Send checks and look-ups of every kind about one subject and others."""
    world.record()
    load_basis(world)
    approver = world.api("approver")
    for serial in range(3):
        post_check(
            approver,
            build_question(build_uscc(serial), f"公司{serial}", ref="x"),
            build_question(ref="y"),
        )
    look_up_subject(world)
    post_check(approver, {"ref": "1", "name": "枣庄某某建筑有限公司"})
    post_check(approver, build_question(), investigation=INVESTIGATION)
    last = post_check(
        approver, build_question(build_uscc(9), "公司九", ref="a"), build_question(ref="b")
    )
    outcome = {"ref": "b", "action": "applied", "measures": ["restrict_bidding"], "remark": "已办"}
    answer = approver.post(f"/v1/checks/{last['check_id']}/outcomes", json=outcome)
    assert answer.status_code == 201


# --- content of the index ----------------------------------------------------


def test_results_are_indexed_in_order_and_unchanged(world: World) -> None:
    ask_about_subjects(world)
    before = read_results(world.registry, UnindexedResult)
    assert len(before) == 3 * 2 + 1 + 1 + 1 + 2
    assert count_indexed(world.registry) == 0
    assert index_results(world.registry) == len(before)
    assert read_results(world.registry, IndexedResult) == before
    assert count_unindexed(world.registry) == 0
    assert index_results(world.registry) == 0
    assert read_results(world.registry, IndexedResult) == before


def test_a_check_is_indexed_as_a_whole_and_the_oldest_first(world: World) -> None:
    approver = world.api("approver")
    checks = [
        post_check(
            approver,
            *(build_question(build_uscc(place), None, ref=str(place)) for place in range(size)),
        )
        for size in (3, 40, 5)
    ]
    assert index_results(world.registry, 1) == 3
    assert {str(row[0]) for row in read_results(world.registry, IndexedResult)} == {
        checks[0]["check_id"]
    }
    assert index_results(world.registry, 2) == 40
    assert {str(row[0]) for row in read_results(world.registry, UnindexedResult)} == {
        checks[2]["check_id"]
    }
    assert index_results(world.registry, 5) == 5


def test_a_report_is_the_same_before_and_after_indexing(world: World) -> None:
    ask_about_subjects(world)
    before = read_report_queries(world)
    assert [query["kind"] for query in before] == ["check"] * 3 + ["lookup"] + ["check"] * 2
    assert before[-1]["outcome"]["remark"] == "已办"
    others = {
        serial: read_report_queries(world, number=build_uscc(serial), name="甲")
        for serial in (0, 1, 9, 5)
    }
    assert [len(found) for found in others.values()] == [1, 1, 1, 0]
    counts = []
    while index_results(world.registry, 2):
        counts.append((count_unindexed(world.registry), count_indexed(world.registry)))
        assert read_report_queries(world) == before
        for serial, found in others.items():
            assert read_report_queries(world, number=build_uscc(serial), name="甲") == found
    assert len(counts) > 3
    assert counts[-1] == (0, 11)
    # Later results appear together with indexed ones.
    post_check(world.api("approver"), build_question())
    assert read_report_queries(world)[:-1] == before
    assert len(read_report_queries(world)) == len(before) + 1


# --- time of indexing ----------------------------------------------------------


def test_checks_and_look_ups_are_indexed_after_a_quiet_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(result_indexing, "MAX_RESULTS_PER_TRANSACTION", 2)  # in several steps
    post_check(
        world.api("approver"), *(build_question(build_uscc(n), None, ref=str(n)) for n in range(3))
    )
    for _ in range(4):
        post_check(world.api("approver"), build_question())
    wait_for(lambda: count_indexed(world.registry) == 7, "the indexed results of checks")
    look_up_subject(world)
    wait_for(lambda: count_indexed(world.registry) == 8, "the indexed result of a look-up")
    assert count_unindexed(world.registry) == 0


def index_during_checks(
    registry: Registry, is_done: Callable[[], bool], max_seconds: float
) -> None:
    """Report checks to an indexer until the condition is true, or for this many seconds."""

    async def run() -> None:
        indexer = ResultIndexer(registry)

        async def notify_often() -> None:
            while True:
                indexer.notify()
                await asyncio.sleep(0.002)

        notifying = asyncio.create_task(notify_often())
        deadline = asyncio.get_running_loop().time() + max_seconds
        while asyncio.get_running_loop().time() < deadline:
            if await asyncio.to_thread(is_done):
                break
            await asyncio.sleep(0.01)
        notifying.cancel()
        assert indexer._task is not None
        indexer._task.cancel()
        await asyncio.gather(notifying, indexer._task, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_without_a_quiet_time_results_are_still_indexed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(idle, "BUSY_SECONDS", 0.2)
    index_during_checks(world.registry, lambda: count_indexed(world.registry) == 1, 20)
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_nothing_is_indexed_while_checks_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.1)
    index_during_checks(world.registry, lambda: count_indexed(world.registry) > 0, 0.5)
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (1, 0)


def test_a_check_longer_than_the_quiet_time_is_indexed_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.02)
    approver = world.api("approver")
    with ThreadPoolExecutor(1) as pool:
        with BlockedBatcher(world) as batcher:
            slow = pool.submit(post_check, approver, build_question())
            batcher.wait_for_waiting_checks(1)
            time.sleep(0.1)  # longer than the quiet time
        slow.result(20)
    deadline = time.monotonic() + 1
    while count_indexed(world.registry) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_results_that_failed_to_be_indexed_are_indexed_after_the_next_check(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = store.index_results
    attempts = []

    def fail_once(*_: Any) -> int:
        attempts.append(1)
        raise DatabaseError("away")

    async def fail_then_succeed() -> None:
        indexer = ResultIndexer(world.registry)
        monkeypatch.setattr(store, "index_results", fail_once)
        indexer.notify()
        assert indexer._task is not None
        await indexer._task
        assert (len(attempts), count_unindexed(world.registry)) == (1, 1)
        assert "the indexing of results failed" in caplog.text
        monkeypatch.setattr(store, "index_results", original)
        indexer.notify()
        await indexer._task

    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.01)
    asyncio.run(asyncio.wait_for(fail_then_succeed(), 20))
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_close_waits_for_the_current_transaction_and_starts_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(result_indexing, "MAX_RESULTS_PER_TRANSACTION", 1)
    started, released = threading.Event(), threading.Event()
    original = store.index_results

    def index_when_released(*arguments: Any) -> int:
        started.set()
        assert released.wait(10)
        return original(*arguments)

    monkeypatch.setattr(store, "index_results", index_when_released)

    async def close_while_indexing() -> None:
        indexer = ResultIndexer(world.registry)
        indexer.notify()
        assert await asyncio.to_thread(started.wait, 10)
        closing_task = asyncio.create_task(asyncio.to_thread(indexer.close))
        await asyncio.sleep(0.02)
        assert not closing_task.done()
        released.set()
        await closing_task
        assert count_indexed(world.registry) == 1
        assert indexer._task is not None
        await indexer._task

    asyncio.run(asyncio.wait_for(close_while_indexing(), 20))
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (2, 1)


# --- several at once ------------------------------------------------------------


def test_concurrent_indexing_loses_and_doubles_nothing(world: World) -> None:
    approver = world.api("approver")
    for serial in range(60):
        post_check(
            approver,
            *(
                build_question(build_uscc(serial * 9 + n), None, ref=str(n))
                for n in range(1 + serial % 4)
            ),
        )
    before = read_results(world.registry, UnindexedResult)
    registries = [Registry.open(world.registry.settings, world.clock) for _ in range(4)]
    start = threading.Barrier(len(registries))

    def index_all(registry: Registry) -> int:
        start.wait(10)
        total = 0
        for _ in range(500):
            total += index_results(registry, 7)
            if not count_unindexed(registry):
                return total
        raise AssertionError("indexing does not end")

    try:
        with ThreadPoolExecutor(len(registries)) as pool:
            totals = list(pool.map(index_all, registries))
    finally:
        for registry in registries:
            registry.close()
    assert sum(totals) == len(before)
    assert read_results(world.registry, IndexedResult) == before


def test_indexing_during_checks_and_reports_loses_nothing(world: World) -> None:
    world.record()
    approver, office = world.api("approver"), world.api("operator")
    done = threading.Event()

    def index_repeatedly(registry: Registry) -> None:
        while not done.is_set():
            index_results(registry, 3)

    with closing(Registry.open(world.registry.settings, world.clock)) as other:
        with ThreadPoolExecutor(3) as pool:
            indexing = [
                pool.submit(index_repeatedly, registry) for registry in (world.registry, other)
            ]
            try:
                for serial in range(1, 13):
                    post_check(
                        approver,
                        build_question(),
                        build_question(build_uscc(serial), None, ref="2"),
                    )
                    report = office.post("/v1/own-reports", json=build_own_report_body()).json()
                    assert len({query["id"] for query in report["queries"]}) == serial
                    assert len(report["queries"]) == serial
            finally:
                done.set()
            for future in indexing:
                future.result(20)
        index_results(other)
    assert (count_unindexed(world.registry), count_indexed(world.registry)) == (0, 24)


def test_a_worker_indexes_the_results_of_a_killed_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed worker indexes nothing: the next worker that answers does it."""
    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.3)
    with open_second_worker(world) as other:
        client = other.client(read_api_key(world.api("approver")))
        assert client.post("/v1/checks", json=build_check()).status_code == 200
        wait_for(lambda: count_indexed(world.registry) == 2, "the results of the other worker")
