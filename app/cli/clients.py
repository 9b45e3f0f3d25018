"""Commands that speak to a registry over HTTP: keep a mirror, push a file."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

MAX_ROWS = 2_147_483_647  # what the database counts to

commands = typer.Typer()


@commands.command()
def mirror(
    url: Annotated[str, typer.Argument(help="Where the registry is served")],
    into: Annotated[Path, typer.Option(help="The SQLite file to keep the copy in")],
    key_file: Annotated[
        Path | None, typer.Option(help="Holds the key; else REDBLACK_KEY, never an argument")
    ] = None,
    follow: Annotated[
        float | None, typer.Option(min=0.1, help="Look again after so many seconds, for ever")
    ] = None,
    prove: Annotated[bool, typer.Option(help="Compare with a snapshot")] = True,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a registry that does not answer")
    ] = 300,
) -> None:
    """Keep a mirror; exit code 1: wrong or cannot continue, 3: not proved."""
    import signal

    from app.client.http import ClientError, read_key
    from app.client.mirror import run_mirror

    if follow is not None:  # it ends on a signal
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        key = read_key(key_file)
        for line in run_mirror(
            url, into, key, poll_seconds=follow, prove=prove, max_wait_seconds=patience
        ):
            print(line, flush=True)
    except ClientError as ended:
        print(f"redblack: {ended}", file=sys.stderr)
        raise typer.Exit(ended.exit_code) from None
    except KeyboardInterrupt:
        if follow is None:
            raise


@commands.command()
def push(
    url: Annotated[str, typer.Argument(help="Where the registry is served")],
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help=".ndjson, .json, .csv or .xlsx")
    ],
    key_file: Annotated[
        Path | None, typer.Option(help="Holds the key; else REDBLACK_KEY, never an argument")
    ] = None,
    list_type: Annotated[str | None, typer.Option(help="Of rows that name none")] = None,
    department: Annotated[str | None, typer.Option(help="For which department")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, record nothing")] = False,
    on_error: Annotated[
        Literal["continue", "stop"], typer.Option(help="What a refused row does to those after it")
    ] = "continue",
    commit: Annotated[
        Literal["valid_rows", "all_or_nothing"], typer.Option(help="What is recorded")
    ] = "valid_rows",
    mode: Annotated[
        Literal["append", "replace"], typer.Option(help="What replace lacks leaves the list")
    ] = "append",
    reason: Annotated[str | None, typer.Option(help="Why, for the record")] = None,
    rows: Annotated[
        int | None, typer.Option(min=0, max=MAX_ROWS, help="How many rows it must have")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Where the answers to refused rows go; it must not exist")
    ] = None,
    refused_workbook: Annotated[
        Path | None, typer.Option(help="Where the refused rows go, marked; it must not exist")
    ] = None,
    language: Annotated[
        Literal["zh", "en"], typer.Option(help="Of the registry's sentences")
    ] = "zh",
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a registry that does not answer")
    ] = 300,
) -> None:
    """Push a file; exit code 1: cannot continue, 3: some rows refused, 4: held."""
    from app.client.http import ClientError, read_key
    from app.client.push import PushOptions, push_file

    options = PushOptions(list_type, department, dry_run, on_error, commit, mode, reason, rows)
    try:
        lines = push_file(
            url,
            file,
            read_key(key_file),
            options=options,
            results=results,
            refused_workbook=refused_workbook,
            max_wait_seconds=patience,
            language=language,
        )
        for line in lines:
            print(line, flush=True)
    except ClientError as ended:
        print(f"redblack: {ended}", file=sys.stderr)
        raise typer.Exit(ended.exit_code) from None
