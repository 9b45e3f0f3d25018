"""An empty database to migrate."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.settings import Settings
from tests.support.world import RegistryTemplates


@pytest.fixture
def scratch(backend: str, templates: RegistryTemplates, tmp_path: Path) -> Iterator[Settings]:
    """An empty database."""
    made = templates.create_copy(backend)
    if backend == "sqlite":
        templates.drop_copy(made)
        made.data_dir.mkdir()
    else:
        with psycopg.connect(made.database_url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
            connection.execute("DROP SCHEMA ledger CASCADE")
    yield made
    templates.drop_copy(made)
