"""Commands of the database: migrate it, show its revision, start an epoch."""

import typer

from app.cli import opening
from app.settings import Settings

commands = typer.Typer(help="The database.", no_args_is_help=True)


@commands.command("upgrade")
def upgrade_database() -> None:
    """Migrate to the newest schema, and give the database what it lacks of the shipped law."""
    from app.db import migrations

    settings = Settings()
    opening.prepare_database(settings)
    print(f"schema at {migrations.read_current_revision(settings)}")


@commands.command("current")
def show_revision() -> None:
    """Show the schema's revision, and the newest."""
    from app.db import migrations

    print(
        f"{migrations.read_current_revision(Settings())} (newest: {migrations.find_schema_head()})"
    )


@commands.command("new-epoch")
def start_epoch() -> None:
    """Mark a restore or failover: from here on numbers may have been used before."""
    from app.epoch.service import start_epoch as start

    print(f"epoch {start(opening.open_registry())}")
