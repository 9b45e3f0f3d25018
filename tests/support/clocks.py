"""A registry whose clock goes wrong, and the processes that start on it."""

from datetime import timedelta

from fastapi import FastAPI
from sqlalchemy import select

from app.db.tables import EntryStatusChange, RegistryState
from app.entries.service import record_status_changes_until_today
from app.jobs.timekeeper import Timekeeper
from app.main import attach_registry
from app.registry import Registry
from tests.support.world import World

TEN_YEARS = timedelta(days=3_653)


def build_timekeeper(world: World) -> Timekeeper:
    """Return the timekeeper of a server process."""
    return Timekeeper(world.registry, [record_status_changes_until_today])


def start_process(world: World, app: FastAPI, *, gap_days: int = 45) -> Registry:
    """Start another server process on the database, behind the app; the former one has ended."""
    settings = world.registry.settings.model_copy(update={"clock_gap_days": gap_days})
    registry = Registry(settings, world.registry.secrets, world.registry.database, world.clock)
    attach_registry(app, registry)
    registry.verify()
    world.registry = registry
    return registry


def read_traces(world: World) -> tuple[object, ...]:
    """Return everything that a write of the day or of an entry would change."""
    with world.registry.database.reading() as connection:
        state = connection.execute(
            select(RegistryState.seq, RegistryState.turned_on, RegistryState.recorded_at)
        ).one()
        changes = connection.execute(select(EntryStatusChange.seq)).all()
    return (*state, len(changes))
