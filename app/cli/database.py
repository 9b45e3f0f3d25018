"""Commands of the database: migrate it, show its revision, start an epoch."""

from datetime import date, datetime
from typing import Annotated

import typer

from app.cli import opening
from app.clock import SHANGHAI
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

    with opening.open_registry_in_doubt() as registry:
        print(f"epoch {start(registry)}")
    opening.finish_opening()


@commands.command("confirm-clock")
def confirm_clock(
    today: Annotated[str | None, typer.Option(help="The day by another clock: 2026-11-28")] = None,
    reason: Annotated[str, typer.Option(help="Why the clock was in doubt")] = "",
) -> None:
    """Confirm that the clock of this machine is right; without --today only show it."""
    from app.timekeeping.queries import read_clock_report
    from app.timekeeping.service import confirm_clock as confirm

    with opening.open_registry_in_doubt() as registry:
        report = read_clock_report(registry)
        print(f"this machine: {_show_instant(report.now)}")
        print(f"last seen:    {_show_instant(report.record.seen_at)}")
        print(f"last day:     {report.record.current_day or '-'}")
        if report.trouble is not None:
            print(report.trouble.detail.en)
        if today is None:
            print("To confirm it, add: --today DAY --reason TEXT")
            return
        confirm(registry, _parse_day(today), reason)
    opening.finish_opening()
    print("confirmed")


@commands.command("repair-clock")
def repair_clock(
    today: Annotated[str | None, typer.Option(help="The day by another clock: 2026-11-28")] = None,
    right: Annotated[
        str | None, typer.Option(help="The right instant of the first wrong one, with its zone")
    ] = None,
    reason: Annotated[str, typer.Option(help="What happened to the clock")] = "",
    first: Annotated[int | None, typer.Option(help="The first number with a wrong instant")] = None,
    last: Annotated[int | None, typer.Option(help="The last number with a wrong instant")] = None,
) -> None:
    """Repair what a clock that was ahead recorded; without --today only show it."""
    from app.timekeeping.queries import read_clock_report
    from app.timekeeping.service import Repair
    from app.timekeeping.service import repair_clock as run_repair

    with opening.open_registry_in_doubt() as registry:
        report = read_clock_report(registry)
        print(f"this machine: {_show_instant(report.now)}")
        print(f"last day:     {report.record.current_day or '-'}")
        for series, wrong in report.damage.numbers.items():
            print(
                f"{series}: {wrong.first_number} to {wrong.last_number}, recorded"
                f" {_show_instant(wrong.wrong_from)} to {_show_instant(wrong.wrong_until)}"
            )
        if today is None or right is None:
            print("To repair it, add: --today DAY --right INSTANT --reason TEXT")
            return
        command = Repair(_parse_instant(right), reason, first, last)
        result = run_repair(registry, _parse_day(today), command)
    opening.finish_opening()
    print(
        f"repaired: {result.versions} versions, {result.status_changes} status changes,"
        f" epoch {result.epoch}"
    )


def _parse_instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("an instant is written as 2026-11-28T10:00:00+08:00") from None
    if instant.tzinfo is None:
        raise typer.BadParameter("an instant has a zone: 2026-11-28T10:00:00+08:00")
    return instant


def _show_instant(instant: datetime | None) -> str:
    return "-" if instant is None else instant.astimezone(SHANGHAI).isoformat(timespec="seconds")


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a day is written as 2026-11-28") from None
