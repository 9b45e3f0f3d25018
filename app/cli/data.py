"""Commands that write and read data on this machine: demo data, exports, imports."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from app.cli import opening
from app.exports.schemas import ExportFormat, ExportScope
from app.rules.law import ListKind
from app.rules.permissions import COMMAND_LINE_CALLER, Role
from app.rules.status import Status
from app.submissions.schemas import MAX_ROWS, CommitRule, Mode, OnError, SubmissionOptions

demo = typer.Typer(help="Synthetic data to try things on.", no_args_is_help=True)
commands = typer.Typer()


@demo.command("load")
def load_demo(
    subjects: Annotated[int, typer.Option(min=1, help="How many subjects")] = 20_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same data")] = 1,
    keys_file: Annotated[
        Path | None, typer.Option(help="Also make one key per role and keep them here")
    ] = None,
    port: Annotated[int, typer.Option(help="Where it will be served, for the first curl")] = 8000,
) -> None:
    """Fill an empty registry with synthetic data; one that has data is left as it is."""
    from app.demo import load_demo_data, print_keys

    registry = opening.open_registry()
    load_demo_data(registry, subjects=subjects, seed=seed)
    if keys_file is not None:
        print_keys(registry, keys_file, port)


@commands.command()
def export(
    output: Annotated[Path, typer.Option(help="The file to write; it must not exist")],
    format_: Annotated[ExportFormat, typer.Option("--format")] = ExportFormat.ndjson,
    scope: Annotated[ExportScope, typer.Option()] = ExportScope.in_force,
    kind: Annotated[ListKind | None, typer.Option("--list")] = None,
    domain: Annotated[str | None, typer.Option()] = None,
    department: Annotated[str | None, typer.Option()] = None,
    status: Annotated[Status | None, typer.Option()] = None,
    on: Annotated[str | None, typer.Option(help="YYYY-MM-DD")] = None,
    known_at: Annotated[str | None, typer.Option(help="2026-11-22T08:00:00Z")] = None,
) -> None:
    """Write one consistent snapshot with its trailer, as the HTTP export does."""
    from datetime import date, datetime

    from app.exports.service import start_export

    # Under another name until it is whole, so that half an export is never taken for one.
    draft = output.with_name(f"{output.name}.part")
    for path in (output, draft):
        if path.exists():
            raise ValueError(f"{path} exists")
    instant = datetime.fromisoformat(known_at) if known_at else None
    if instant is not None and instant.tzinfo is None:
        raise ValueError("--known-at says its zone: 2026-11-22T08:00:00Z")
    given_filters = {"list": kind, "domain": domain, "department": department}
    _, chunks = start_export(
        opening.open_registry(),
        replace(
            COMMAND_LINE_CALLER, role=Role.auditor
        ),  # the same bytes as over HTTP, sealed ones too
        export_format=format_,
        scope=scope,
        status=status,
        filters={name: str(value) for name, value in given_filters.items() if value},
        on=date.fromisoformat(on) if on else None,
        known_at=instant,
    )
    size = 0
    with draft.open("xb") as file:
        for chunk in chunks:
            size += file.write(chunk)
            if sys.stderr.isatty():
                print(f"\r{size / 1e6:,.1f} MB", end="", file=sys.stderr)
    draft.rename(output)
    print(f"{output}: {size} bytes")


@commands.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    list_type: Annotated[str | None, typer.Option(help="Of rows that name none")] = None,
    department: Annotated[
        str | None, typer.Option(help="For which department: its code, name or alias")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge, record nothing")] = False,
    on_error: Annotated[
        OnError, typer.Option(help="What a refused row does to those after it")
    ] = OnError.continue_,
    commit: Annotated[CommitRule, typer.Option(help="What is recorded")] = CommitRule.valid_rows,
    mode: Annotated[Mode, typer.Option(help="What replace lacks leaves the list")] = Mode.append,
    reason: Annotated[str | None, typer.Option(help="Why, for the record")] = None,
    rows: Annotated[
        int | None, typer.Option(min=0, max=MAX_ROWS, help="How many rows it must have")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Where every row's answer goes; it must not exist")
    ] = None,
) -> None:
    """Record a file on this machine; 1: refused as a whole, 3: some rows refused, 4: held."""
    from app.catalogue.queries import require_department_code
    from app.submissions.local_import import get_exit_code, import_local_file, write_results

    registry = opening.open_registry()
    options = SubmissionOptions(
        list_type=list_type,
        department=require_department_code(registry, department) if department else None,
        dry_run=dry_run,
        on_error=on_error,
        commit_rule=commit,
        mode=mode,
        reason=reason,
        declared_rows=rows,
    )
    if results is not None and results.exists():
        raise ValueError(f"{results} exists")
    row = import_local_file(registry, file, options)
    if results is not None:
        write_results(registry, row, results)
    raise typer.Exit(get_exit_code(row))
