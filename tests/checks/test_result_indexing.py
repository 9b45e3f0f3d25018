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
from tests.support.numbers import build_uscc
from tests.support.own_reports import build_own_report_body, issue_report
from tests.support.request_bodies import BUILDER_USCC, build_check, build_question
from tests.support.submission_workers import wait_for
from tests.support.world import World

NEVER = 1_000.0
ONE_DATABASE = DATABASES[:1]
"""For behaviour that is the same on both."""
INVESTIGATION = {"basis": "监察法第三十九条", "until": "2026-12-31"}


@pytest.fixture(autouse=True)
def never_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is indexed except by the test itself."""
    monkeypatch.setattr(idle, "QUIET_SECONDS", NEVER)


def waiting(registry: Registry) -> int:
    with registry.database.reading_ledger() as connection:
        return connection.scalar(select(func.count()).select_from(UnindexedResult)) or 0


def sorted_in(registry: Registry) -> int:
    with registry.database.reading_ledger() as connection:
        return connection.scalar(select(func.count()).select_from(IndexedResult)) or 0


def by_name(registry: Registry, table: Any) -> set[tuple[Any, ...]]:
    """Return the results of a table, for any order of its columns."""
    names = ("check_id", "position", "asked_digest", "subject_id", "standing")
    with registry.database.reading_ledger() as connection:
        columns = [table.__table__.columns[name] for name in names]
        found = [tuple(row) for row in connection.execute(select(*columns))]
    assert len(found) == len(set(found))
    return set(found)


def sort_in(registry: Registry, most: int = 1_000_000) -> int:
    with registry.database.ledger() as connection:
        return store.index_results(connection, most)


def looked_up(world: World, **more: Any) -> None:
    body = {"scheme": "uscc", "number": BUILDER_USCC, "purpose": "受理前查询", **more}
    assert world.api().post("/v1/subjects/lookup", json=body).status_code == 200


def queries(world: World, **body: Any) -> list[dict[str, Any]]:
    return list(issue_report(world, build_own_report_body(**body))["queries"])


def questions(world: World) -> None:
    """Build questions of every kind about one subject and others."""
    world.record()
    approver = world.api("approver")
    for turn in range(3):
        post_check(
            approver,
            build_question(build_uscc(turn), f"公司{turn}", ref="x"),
            build_question(ref="y"),
        )
    looked_up(world)
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
    questions(world)
    before = by_name(world.registry, UnindexedResult)
    assert len(before) == 3 * 2 + 1 + 1 + 1 + 2
    assert sorted_in(world.registry) == 0
    assert sort_in(world.registry) == len(before)
    assert by_name(world.registry, IndexedResult) == before
    assert waiting(world.registry) == 0
    assert sort_in(world.registry) == 0
    assert by_name(world.registry, IndexedResult) == before


def test_a_check_is_indexed_as_a_whole_and_the_oldest_first(world: World) -> None:
    approver = world.api("approver")
    checks = [
        post_check(
            approver,
            *(build_question(build_uscc(place), None, ref=str(place)) for place in range(size)),
        )
        for size in (3, 40, 5)
    ]
    assert sort_in(world.registry, 1) == 3
    assert {str(row[0]) for row in by_name(world.registry, IndexedResult)} == {
        checks[0]["check_id"]
    }
    assert sort_in(world.registry, 2) == 40
    assert {str(row[0]) for row in by_name(world.registry, UnindexedResult)} == {
        checks[2]["check_id"]
    }
    assert sort_in(world.registry, 5) == 5


def test_a_report_is_the_same_before_and_after_indexing(world: World) -> None:
    questions(world)
    before = queries(world)
    assert [query["kind"] for query in before] == ["check"] * 3 + ["lookup"] + ["check"] * 2
    assert before[-1]["outcome"]["remark"] == "已办"
    others = {
        serial: queries(world, number=build_uscc(serial), name="甲") for serial in (0, 1, 9, 5)
    }
    assert [len(found) for found in others.values()] == [1, 1, 1, 0]
    seen = []
    while sort_in(world.registry, 2):
        seen.append((waiting(world.registry), sorted_in(world.registry)))
        assert queries(world) == before
        for serial, found in others.items():
            assert queries(world, number=build_uscc(serial), name="甲") == found
    assert len(seen) > 3
    assert seen[-1] == (0, 11)
    # Later results appear together with indexed ones.
    post_check(world.api("approver"), build_question())
    assert queries(world)[:-1] == before
    assert len(queries(world)) == len(before) + 1


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
    wait_for(lambda: sorted_in(world.registry) == 7, "the results of checks, sorted in")
    looked_up(world)
    wait_for(lambda: sorted_in(world.registry) == 8, "the result of a look-up, sorted in")
    assert waiting(world.registry) == 0


def asking_on(registry: Registry, enough: Callable[[], bool], most: float) -> None:
    """Send one check after another until the condition is true, or for this many seconds."""

    async def ask_on() -> None:
        desk = ResultIndexer(registry)

        async def note() -> None:
            while True:
                desk.notify()
                await asyncio.sleep(0.002)

        asking = asyncio.create_task(note())
        give_up = asyncio.get_running_loop().time() + most
        while asyncio.get_running_loop().time() < give_up:
            if await asyncio.to_thread(enough):
                break
            await asyncio.sleep(0.01)
        asking.cancel()
        assert desk._task is not None
        desk._task.cancel()
        await asyncio.gather(asking, desk._task, return_exceptions=True)

    asyncio.run(ask_on())


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_without_a_quiet_time_results_are_still_indexed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(idle, "BUSY_SECONDS", 0.2)
    asking_on(world.registry, lambda: sorted_in(world.registry) == 1, 20)
    assert (waiting(world.registry), sorted_in(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_nothing_is_indexed_while_checks_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.1)
    asking_on(world.registry, lambda: sorted_in(world.registry) > 0, 0.5)
    assert (waiting(world.registry), sorted_in(world.registry)) == (1, 0)


def test_a_check_longer_than_the_quiet_time_is_indexed_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.02)
    approver = world.api("approver")
    with ThreadPoolExecutor(1) as pool:
        with BlockedBatcher(world) as held:
            slow = pool.submit(post_check, approver, build_question())
            held.wait_for_waiting_checks(1)
            time.sleep(0.1)  # quiet for long enough
        slow.result(20)
    give_up = time.monotonic() + 1
    while sorted_in(world.registry) == 0 and time.monotonic() < give_up:
        time.sleep(0.02)
    assert (waiting(world.registry), sorted_in(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_results_that_failed_to_be_indexed_are_indexed_after_the_next_check(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = store.index_results
    tried = []

    def away(*_: Any) -> int:
        tried.append(1)
        raise DatabaseError("away")

    async def turn() -> None:
        desk = ResultIndexer(world.registry)
        monkeypatch.setattr(store, "index_results", away)
        desk.notify()
        assert desk._task is not None
        await desk._task
        assert (len(tried), waiting(world.registry)) == (1, 1)
        assert "the indexing of results failed" in caplog.text
        monkeypatch.setattr(store, "index_results", plain)
        desk.notify()
        await desk._task

    post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.01)
    asyncio.run(asyncio.wait_for(turn(), 20))
    assert (waiting(world.registry), sorted_in(world.registry)) == (0, 1)


@pytest.mark.parametrize("backend", ONE_DATABASE)
def test_closing_waits_for_what_is_under_way_and_begins_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        post_check(world.api("approver"), build_question())
    world.check_service._indexer.close()  # the test indexes instead
    monkeypatch.setattr(idle, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(result_indexing, "MAX_RESULTS_PER_TRANSACTION", 1)
    begun, go_on = threading.Event(), threading.Event()
    plain = store.index_results

    def slowly(*both: Any) -> int:
        begun.set()
        assert go_on.wait(10)
        return plain(*both)

    monkeypatch.setattr(store, "index_results", slowly)

    async def end() -> None:
        desk = ResultIndexer(world.registry)
        desk.notify()
        assert await asyncio.to_thread(begun.wait, 10)
        closing_it = asyncio.create_task(asyncio.to_thread(desk.close))
        await asyncio.sleep(0.02)
        assert not closing_it.done()
        go_on.set()
        await closing_it
        assert sorted_in(world.registry) == 1
        assert desk._task is not None
        await desk._task

    asyncio.run(asyncio.wait_for(end(), 20))
    assert (waiting(world.registry), sorted_in(world.registry)) == (2, 1)


# --- several at once ------------------------------------------------------------


def test_concurrent_indexing_loses_and_doubles_nothing(world: World) -> None:
    approver = world.api("approver")
    for turn in range(60):
        post_check(
            approver,
            *(
                build_question(build_uscc(turn * 9 + n), None, ref=str(n))
                for n in range(1 + turn % 4)
            ),
        )
    before = by_name(world.registry, UnindexedResult)
    registries = [Registry.open(world.registry.settings, world.clock) for _ in range(4)]
    start = threading.Barrier(len(registries))

    def sort(registry: Registry) -> int:
        start.wait(10)
        total = 0
        for _ in range(500):
            total += sort_in(registry, 7)
            if not waiting(registry):
                return total
        raise AssertionError("it has no end")

    try:
        with ThreadPoolExecutor(len(registries)) as pool:
            totals = list(pool.map(sort, registries))
    finally:
        for registry in registries:
            registry.close()
    assert sum(totals) == len(before)
    assert by_name(world.registry, IndexedResult) == before


def test_indexing_during_checks_and_reports_loses_nothing(world: World) -> None:
    world.record()
    approver, office = world.api("approver"), world.api()
    done = threading.Event()

    def sort_on(registry: Registry) -> None:
        while not done.is_set():
            sort_in(registry, 3)

    with closing(Registry.open(world.registry.settings, world.clock)) as other:
        with ThreadPoolExecutor(3) as pool:
            sorters = [pool.submit(sort_on, registry) for registry in (world.registry, other)]
            try:
                for turn in range(1, 13):
                    post_check(
                        approver, build_question(), build_question(build_uscc(turn), None, ref="2")
                    )
                    report = office.post("/v1/own-reports", json=build_own_report_body()).json()
                    assert len({query["id"] for query in report["queries"]}) == turn
                    assert len(report["queries"]) == turn
            finally:
                done.set()
            for one in sorters:
                one.result(20)
        sort_in(other)
    assert (waiting(world.registry), sorted_in(world.registry)) == (0, 24)


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
        wait_for(lambda: sorted_in(world.registry) == 2, "what another worker left")
