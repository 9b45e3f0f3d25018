"""Commands of the law as data: departments, list types, the calendar."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import opening

departments = typer.Typer(help="Bodies that issue and ask.", no_args_is_help=True)
catalogue = typer.Typer(help="The law as data.", no_args_is_help=True)
calendar = typer.Typer(help="Day-off notices of the State Council.", no_args_is_help=True)


@departments.command("add")
def add_department(
    code: Annotated[str, typer.Option(help="Its code, in small letters")],
    name: Annotated[str, typer.Option(help="Its name")],
    parent: Annotated[str | None, typer.Option(help="The body above it")] = None,
) -> None:
    """Add a department below or next to the bodies of the plan."""
    from app.catalogue.service import add_department as add

    print(f"catalogue version {add(opening.open_registry(), code, name, parent)}")


@catalogue.command("load")
def load_catalogue(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Put a file's items into the catalogue, by code."""
    from app.catalogue.service import load_catalogue_file

    print(f"catalogue version {load_catalogue_file(opening.open_registry(), file)}")


@catalogue.command("enable")
def enable_list_type(
    list_type: Annotated[str, typer.Argument()],
    legal_reference: Annotated[str, typer.Option(help="The law that it rests on")],
) -> None:
    """Put a list type in force on its legal reference."""
    from app.catalogue.service import put_list_type_in_force

    registry = opening.open_registry()
    print(f"catalogue version {put_list_type_in_force(registry, list_type, legal_reference)}")


@calendar.command("load")
def load_calendar(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Load or amend a year's day-off notice, and recompute the deadlines that it touches."""
    from app.calendar.notices import read_calendar_notice
    from app.notices.service import load_calendar_notice

    registry = opening.open_registry()
    result = load_calendar_notice(registry, read_calendar_notice(file))
    print(
        f"calendar version {result.calendar_version}, {result.deadlines} deadlines recomputed,"
        f" {result.due_days} of open cases"
    )
