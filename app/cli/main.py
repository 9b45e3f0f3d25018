"""The `redblack` command: its parts, and the form of its refusals."""

import os
import sys
from importlib import metadata
from typing import Annotated

import typer
from pydantic import ValidationError

from app.cli import catalogue, clients, data, database, keys, server
from app.crypto import KeyFileError
from app.db.engines import DatabaseError
from app.errors import RegistryError

app = typer.Typer(
    help="Redblack Registry: red and black lists of a city, on time and provable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for name, group in (
    ("db", database.commands),
    ("keys", keys.commands),
    ("departments", catalogue.departments),
    ("catalogue", catalogue.catalogue),
    ("calendar", catalogue.calendar),
    ("demo", data.demo),
):
    app.add_typer(group, name=name)
for commands in (server.commands, data.commands, clients.commands):
    app.add_typer(commands)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"redblack {metadata.version('redblack-registry')}")
        raise typer.Exit


@app.callback()
def select_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Redblack Registry: red and black lists of a city, on time and provable."""


def main() -> None:
    """Run the command; a refusal is a sentence and exit code 1, never a traceback."""
    os.umask(0o077)  # files of the registry, its logs and its copies are for their owner only
    try:
        app()
    except RegistryError as refusal:
        print(f"redblack: {refusal.detail.en} / {refusal.detail.zh}", file=sys.stderr)
        for fault in refusal.faults:
            print(f"  {fault.pointer}: {fault.sentence.en}", file=sys.stderr)
        sys.exit(1)
    except ValidationError as wrong:  # a setting; what was set is not repeated, it may be a secret
        for found in wrong.errors():
            name = "_".join(map(str, found["loc"])).upper()
            print(f"redblack: REDBLACK_{name}: {found['msg']}", file=sys.stderr)
        sys.exit(1)
    except DatabaseError as error:
        message = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        print(f"redblack: the database does not answer: {message}", file=sys.stderr)
        sys.exit(1)
    except (KeyFileError, OSError, ValueError) as wrong:
        print(f"redblack: {wrong}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
