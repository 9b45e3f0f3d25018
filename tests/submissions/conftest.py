"""A registry that separate processes open, and a second view of the same database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from app.registry import Registry
from app.settings import Settings
from tests.support.processes import create_key
from tests.support.world import RegistryTemplates


@pytest.fixture
def settings(backend: str, templates: RegistryTemplates) -> Iterator[Settings]:
    """A registry of one test, on the machine's clock."""
    made = templates.create_copy(backend)
    yield made
    templates.drop_copy(made)


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    """The same registry, to read it while processes work on it."""
    with closing(Registry.open(settings)) as opened:
        yield opened


@pytest.fixture
def key(settings: Settings) -> str:
    """The key of a department."""
    return create_key(settings, "department", "human_resources")
