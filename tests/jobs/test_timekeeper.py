"""The day change without traffic: each process records it daily."""

import time
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select, update

from app.clock import Clock
from app.db.tables import EntryStatusChange, RegistryState
from app.jobs import timekeeper as module
from app.registry import Registry
from tests.support.clocks import build_timekeeper, read_traces
from tests.support.processes import serve_registry
from tests.support.world import RegistryTemplates, World


def read_changes(world: World) -> list[tuple[date, str]]:
    with world.registry.database.reading() as connection:
        rows = connection.execute(select(EntryStatusChange.day, EntryStatusChange.status))
        return [(row.day, row.status) for row in rows]


def test_the_day_change_is_recorded_without_traffic(world: World) -> None:
    world.record(effective_until="2027-11-22", effective_from="2026-11-22")
    timekeeper = build_timekeeper(world)
    timekeeper.tick()
    assert read_changes(world) == []
    world.clock.set_day(date(2027, 11, 23))
    timekeeper.tick()
    assert read_changes(world) == [(date(2027, 11, 23), "expired")]
    assert read_traces(world)[1] == date(2027, 11, 23)


def test_several_processes_record_it_once(world: World) -> None:
    world.record(effective_until="2027-11-22", effective_from="2026-11-22")
    timekeepers = [build_timekeeper(world) for _ in range(3)]
    world.clock.set_day(date(2027, 11, 23))
    for timekeeper in timekeepers:
        timekeeper.tick()
    assert len(read_changes(world)) == 1


def test_a_day_that_failed_is_tried_again(world: World) -> None:
    attempts = []

    def fail_once(registry: Registry) -> None:
        attempts.append(registry)
        if len(attempts) == 1:
            raise RuntimeError

    timekeeper = module.Timekeeper(world.registry, [fail_once])
    for _ in range(3):
        try:
            timekeeper.tick()
        except RuntimeError:
            continue
    assert len(attempts) == 2


def test_the_next_tick_comes_at_midnight(world: World) -> None:
    timekeeper = build_timekeeper(world)
    assert timekeeper.compute_wait() == module.TICK_SECONDS
    world.clock.instant = module.begin_of_day(date(2026, 11, 23)) - timedelta(seconds=2)
    assert 1 < timekeeper.compute_wait() < 2


def test_a_served_process_records_the_day_by_itself(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    today = Clock().today()
    registry = Registry.open(settings)
    with registry.database.writing() as connection:
        connection.execute(update(RegistryState).values(turned_on=today - timedelta(days=1)))

    def has_recorded_today() -> bool:
        with registry.database.reading() as connection:
            return connection.scalar(select(RegistryState.turned_on)) == Clock().today()

    with serve_registry(settings, tmp_path):
        deadline = time.monotonic() + 20
        while not has_recorded_today() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert has_recorded_today()
    registry.close()
    templates.drop_copy(settings)
