"""Alembic, called from inside: where the migrations are, the newest of them, and the upgrade."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db.engines import open_migration_connection
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def build_alembic_config() -> Config:
    """Alembic's configuration, wherever the process was started from."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config


@cache
def find_schema_head() -> str | None:
    """The revision that this version of the code needs."""
    return ScriptDirectory.from_config(build_alembic_config()).get_current_head()


@cache
def _list_revisions() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(build_alembic_config())
    return frozenset(script.revision for script in scripts.walk_revisions())


def is_known_revision(revision: str) -> bool:
    """Return True if this release has a revision; False for one of a newer release."""
    return revision in _list_revisions()


def upgrade(settings: Settings) -> None:
    """Upgrade the database to the newest revision; safe while the former release serves.

    The schema of a newer release is left as it is.
    """
    config = build_alembic_config()
    with open_migration_connection(settings) as connection:
        with connection.begin():
            revision = MigrationContext.configure(connection).get_current_revision()
        if revision is not None and not is_known_revision(revision):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def read_current_revision(settings: Settings) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with open_migration_connection(settings) as connection, connection.begin():
        return MigrationContext.configure(connection).get_current_revision()
