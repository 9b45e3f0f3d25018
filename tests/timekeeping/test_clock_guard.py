"""A clock that cannot be trusted: nothing is answered and nothing written until it is right."""

from collections.abc import Callable
from datetime import date, timedelta

import httpx
import pytest
from fastapi import FastAPI

from app.checks import pipeline
from app.clock import Clock
from app.errors import ClockUntrusted, InvalidPayload
from app.registry import Registry
from app.rules.permissions import Role
from app.security.service import create
from app.timekeeping.service import confirm_clock
from tests.support.clocks import TEN_YEARS, build_timekeeper, read_traces, start_process
from tests.support.problems import require_refused
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_organisation,
    build_push,
)
from tests.support.world import ManualClock, World

CODE = "clock_untrusted"


@pytest.fixture
def standalone(world: World, backend: str) -> World:
    """A registry whose server, if it has one, has the same wrong clock as the node."""
    if backend == "postgresql":
        # The server is this machine, so it follows every step of the wall clock.
        world.clock.read_server_time = lambda _: world.clock.instant  # type: ignore[method-assign]
    return world


def list_answers(world: World) -> list[httpx.Response]:
    push = build_push(source_ref="HR-2", subject=build_organisation(2))
    return [
        world.client(None).get("/readyz"),
        world.api("approver").post("/v1/checks", json=build_check()),
        world.api().post("/v1/entries", json=push),
        world.api("auditor").get("/v1/entries"),
        world.api("subscriber").get("/v1/changes"),
        world.api("auditor").get("/v1/changes/snapshot"),
        world.api("auditor").get("/v1/exports/entries"),
        world.api("operator").get("/v1/domains"),
    ]


def open_keys(world: World) -> None:
    """Create the keys while the clock is right."""
    for role in ("approver", "department", "auditor", "subscriber", "operator"):
        world.api(role)


def require_ready(world: World) -> None:
    assert world.client(None).get("/readyz").status_code == 200
    answer = world.api("approver").post("/v1/checks", json=build_check())
    assert answer.status_code == 200, answer.text


def require_nothing_answered(world: World) -> None:
    before = read_traces(world)
    for answer in list_answers(world):
        require_refused(answer, 503, CODE)
        assert "Retry-After" in answer.headers
    assert read_traces(world) == before


class TestWhileRunning:
    @pytest.mark.parametrize("distance", [TEN_YEARS, -TEN_YEARS, timedelta(days=1, seconds=1)])
    def test_a_clock_that_was_set_stops_every_answer(
        self, standalone: World, distance: timedelta
    ) -> None:
        world = standalone
        world.record()
        open_keys(world)
        world.clock.step(distance)
        require_nothing_answered(world)
        build_timekeeper(world).tick()
        assert read_traces(world)[1] == date(2026, 11, 22)

    def test_a_small_step_and_passing_time_are_trusted(self, standalone: World) -> None:
        world = standalone
        open_keys(world)
        world.clock.step(timedelta(hours=23))
        require_ready(world)
        world.clock.instant += timedelta(days=400)
        require_ready(world)

    def test_small_steps_add_up(self, standalone: World) -> None:
        world = standalone
        open_keys(world)
        for _ in range(3):
            world.clock.step(timedelta(hours=10))
        require_nothing_answered(world)

    def test_a_clock_that_was_set_waits_for_a_person_also_when_it_is_right_again(
        self, standalone: World
    ) -> None:
        world = standalone
        open_keys(world)
        world.clock.step(TEN_YEARS)
        require_nothing_answered(world)
        world.clock.step(-TEN_YEARS)
        require_nothing_answered(world)
        confirm_clock(world.registry, world.clock.today(), "对时")
        require_ready(world)

    def test_a_confirmation_by_another_process_is_noticed(self, standalone: World) -> None:
        world = standalone
        open_keys(world)
        world.clock.step(TEN_YEARS)
        require_nothing_answered(world)
        world.clock.step(-TEN_YEARS)
        confirm_clock(open_other_process(world), world.clock.today(), "对时")
        require_ready(world)

    def test_a_confirmation_does_not_help_a_process_whose_clock_is_still_wrong(
        self, standalone: World
    ) -> None:
        world = standalone
        open_keys(world)
        world.registry = narrow(world)
        assert world.registry.verify_clock() is None
        other = open_other_process(world, ManualClock(world.clock.instant))
        world.clock.step(TEN_YEARS)
        assert world.registry.verify_clock() is not None
        confirm_clock(other, other.clock.today(), "对时")
        assert world.registry.verify_clock() is not None
        assert not world.registry.clock_guard.is_trusted()

    def test_the_clock_that_is_set_during_a_change_commits_nothing(self, standalone: World) -> None:
        world = standalone
        world.record()
        before = read_traces(world)

        def work(_: object) -> None:
            world.clock.step(TEN_YEARS)

        with pytest.raises(ClockUntrusted):
            world.registry.write(work)
        assert read_traces(world) == before

    def test_the_clock_that_is_set_during_a_check_gives_no_answer(
        self, standalone: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = standalone
        officer = world.api("approver")
        evaluate = pipeline.evaluate_questions

        def evaluate_while_the_clock_is_set(*given: object) -> object:
            world.clock.step(TEN_YEARS)
            return evaluate(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(pipeline, "evaluate_questions", evaluate_while_the_clock_is_set)
        require_refused(officer.post("/v1/checks", json=build_check()), 503, CODE)

    def test_a_trusted_clock_costs_no_statement(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise AssertionError("the guard reads the database")

        open_keys(world)
        monkeypatch.setattr(world.registry.clock_guard, "verify", fail)
        assert world.api("approver").post("/v1/checks", json=build_check()).status_code == 200
        world.record()


class TestAtStart:
    def test_a_clock_too_far_after_the_last_run_waits_for_a_person(
        self, world: World, app: FastAPI
    ) -> None:
        open_keys(world)
        build_timekeeper(world).tick()
        world.clock.instant += timedelta(days=45, minutes=1)
        start_process(world, app)
        require_nothing_answered(world)
        confirm_clock(world.registry, world.clock.today(), "停机检修两个月")
        require_ready(world)
        start_process(world, app)
        require_ready(world)

    def test_the_gap_is_a_setting(self, world: World, app: FastAPI) -> None:
        build_timekeeper(world).tick()
        world.clock.instant += timedelta(days=44)
        start_process(world, app)
        require_ready(world)
        build_timekeeper(world).tick()
        world.clock.instant += timedelta(days=9)
        start_process(world, app, gap_days=8)
        require_refused(world.client(None).get("/readyz"), 503, CODE)

    def test_a_clock_before_what_was_seen_waits(self, world: World, app: FastAPI) -> None:
        open_keys(world)
        world.clock.instant += timedelta(days=3)
        build_timekeeper(world).tick()
        world.clock.instant -= timedelta(minutes=4)
        start_process(world, app)
        require_ready(world)
        world.clock.instant -= timedelta(minutes=3)
        start_process(world, app)
        require_nothing_answered(world)
        world.clock.instant += timedelta(minutes=3)
        require_ready(world)

    def test_without_traffic_the_newest_instant_is_a_minute_old_at_most(
        self, world: World, app: FastAPI
    ) -> None:
        timekeeper = build_timekeeper(world)
        for _ in range(10):
            world.clock.instant += timedelta(seconds=30)
            timekeeper.tick()
        world.clock.instant -= timedelta(minutes=7)
        registry = start_process(world, app)
        assert not registry.ready

    def test_a_person_must_name_the_day_that_the_machine_shows(self, world: World) -> None:
        with pytest.raises(InvalidPayload):
            confirm_clock(world.registry, date(2026, 11, 21), "对时")

    @pytest.mark.parametrize("reason", ["", "  ", f"由{PERSON_RESIDENT_ID}确认"])
    def test_the_reason_is_a_line_without_a_personal_number(
        self, world: World, reason: str
    ) -> None:
        with pytest.raises(InvalidPayload):
            confirm_clock(world.registry, world.clock.today(), reason)

    def test_the_confirmation_is_on_the_trail(self, world: World) -> None:
        confirm_clock(world.registry, world.clock.today(), "更换主板电池")
        answer = world.api("auditor").get("/v1/audit/records", params={"action": "clock_confirmed"})
        [record, *_] = answer.json()["records"]
        assert record["action"] == "clock_confirmed"
        assert record["detail"]["reason"] == "更换主板电池"

    def test_a_worker_that_starts_with_a_wrong_clock_writes_nothing(self, world: World) -> None:
        build_timekeeper(world).tick()
        world.clock.instant += TEN_YEARS
        worker = narrow(world)
        before = read_traces(world)
        with pytest.raises(ClockUntrusted):
            create(worker, name="a", role=Role.auditor, department=None)
        assert read_traces(world) == before


class TestTheNodeAndItsServer:
    @pytest.fixture(autouse=True)
    def _on_postgresql(self, backend: str) -> None:
        if backend != "postgresql":
            pytest.skip("an embedded database has no server")

    @pytest.mark.parametrize(
        "distance", [timedelta(seconds=63), -timedelta(seconds=63), TEN_YEARS, -TEN_YEARS]
    )
    def test_a_node_that_differs_stops_alone_and_continues_by_itself(
        self, world: World, distance: timedelta
    ) -> None:
        world.record()
        open_keys(world)
        other = open_other_process(world, ManualClock(world.clock.instant))
        world.clock.step(distance)
        require_nothing_answered(world)
        assert other.verify_clock() is None
        assert other.ready
        world.clock.step(-distance)
        require_ready(world)

    def test_a_server_that_drifts_is_noticed_by_the_timekeeper(self, world: World) -> None:
        open_keys(world)
        world.clock.server_error = timedelta(seconds=70)
        build_timekeeper(world).tick()
        require_nothing_answered(world)
        world.clock.server_error = timedelta(seconds=10)
        require_ready(world)

    def test_a_start_compares_with_the_server_first(self, world: World, app: FastAPI) -> None:
        build_timekeeper(world).tick()
        world.clock.step(TEN_YEARS)
        start_process(world, app)
        answer = world.client(None).get("/readyz")
        assert "database server" in answer.json()["detail"]
        with pytest.raises(ClockUntrusted):
            confirm_clock(world.registry, world.clock.today(), "误确认")
        world.clock.step(-TEN_YEARS)
        assert world.client(None).get("/readyz").status_code == 200

    def test_a_slow_answer_is_no_difference(self, world: World) -> None:
        clock = world.clock

        def answer_slowly(read: Callable[[], object]) -> object:
            read()
            asked_at = clock.instant
            clock.instant += timedelta(seconds=90)
            return asked_at

        clock.read_server_time = answer_slowly  # type: ignore[method-assign,assignment]
        assert world.registry.verify_clock() is None

    def test_the_real_server_is_asked(self, world: World) -> None:
        registry = open_other_process(world, Clock())
        assert registry.verify_clock() is None


def narrow(world: World) -> Registry:
    """Return a process that has not checked its clock yet, with the usual gap."""
    settings = world.registry.settings.model_copy(update={"clock_gap_days": 45})
    return Registry(settings, world.registry.secrets, world.registry.database, world.clock)


def open_other_process(world: World, clock: Clock | None = None) -> Registry:
    """Return the registry of another process; with its own clock, or that of the world."""
    mine = world.registry
    registry = Registry(mine.settings, mine.secrets, mine.database, clock or world.clock)
    registry.verify()
    return registry
