"""A registry that processes of their own open, and a look into it from beside."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from app.registry import Registry
from app.settings import Settings
from tests.support.processes import create_key
from tests.support.world import RegistryTemplates


@pytest.fixture
def settings(backend: str, templates: RegistryTemplates) -> Iterator[Settings]:
    """A registry of the test's own, on the machine's clock."""
    made = templates.create_copy(backend)
    yield made
    templates.drop_copy(made)


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    """The same registry, to look into it beside whoever works on it."""
    with closing(Registry.open(settings)) as opened:
        yield opened


@pytest.fixture
def key(settings: Settings) -> str:
    """A department's key to it."""
    return create_key(settings, "department", "human_resources")
