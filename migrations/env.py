"""One tree for both databases: batches on SQLite, timeouts and an advisory lock on PostgreSQL."""

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import Connection, column, delete, insert, inspect, table, text

from app.db.engines import open_migration_connection
from app.db.tables import LEDGER, Base
from app.settings import Settings

TABLE = table("schema_releases", column("revision"), column("oldest_release"))
ADVISORY_LOCK = 7_201_903_062  # any number, the same in every process that migrates


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Compare our two schemas alone."""
    return type_ != "schema" or name in {None, LEDGER}


def write_oldest_release(
    ctx: MigrationContext, step: MigrationInfo, heads: object, run_args: object
) -> None:
    """Write down the oldest release that may serve after a migration; `run_args` is Alembic's."""
    del heads, run_args
    connection = ctx.connection
    assert connection is not None
    if not inspect(connection).has_table(TABLE.name):
        return  # a schema from before 0013
    for revision in step.up_revisions:
        connection.execute(delete(TABLE).where(TABLE.c.revision == revision.revision))
        oldest = getattr(revision.module, "oldest_release", None)
        if step.is_upgrade and oldest is not None:
            connection.execute(
                insert(TABLE).values(revision=revision.revision, oldest_release=oldest)
            )


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
        on_version_apply=write_oldest_release,
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
