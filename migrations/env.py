"""One tree for both databases: batches on SQLite, timeouts and an advisory lock on PostgreSQL."""

from alembic import context
from sqlalchemy import Connection, text

from app.db.engines import open_migration_connection
from app.db.tables import LEDGER, Base
from app.settings import Settings

ADVISORY_LOCK = 7_201_903_062  # any number, the same in every process that migrates


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Compare our two schemas alone."""
    return type_ != "schema" or name in {None, LEDGER}


def run(connection: Connection) -> None:
    """Migrate over one connection, in one transaction."""
    postgres = connection.dialect.name == "postgresql"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_schemas=True,
        include_name=include_name,
        render_as_batch=not postgres,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if postgres:
            # Wait for other migrators, but never queue the city's traffic behind our lock.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '4s'"))
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {LEDGER}"))
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    with open_migration_connection(Settings()) as opened:
        run(opened)
