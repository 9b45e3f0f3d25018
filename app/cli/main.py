"""The `redblack` command."""

import os
import shutil
import sys
import tempfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from pydantic import ValidationError

from app.crypto import KeyFileError, Secrets
from app.db.engines import DatabaseError
from app.errors import RegistryError, SecretKeyMismatch
from app.exports.schemas import ExportFormat, ExportScope
from app.rules.law import ListKind
from app.rules.permissions import COMMAND_LINE_CALLER, Role
from app.rules.status import Status
from app.settings import Settings
from app.submissions.schemas import CommitRule, Mode, OnError

if TYPE_CHECKING:
    from app.registry import Registry

WORKER_NICENESS = 5  # of a worker: answers go before files
MAX_ROWS = 2_147_483_647  # what the database counts to

app = typer.Typer(
    help="Redblack Registry: red and black lists of a city, on time and provable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
database = typer.Typer(help="The database.", no_args_is_help=True)
keys = typer.Typer(help="API keys, and the secret key file.", no_args_is_help=True)
departments = typer.Typer(help="Bodies that issue and ask.", no_args_is_help=True)
catalogue = typer.Typer(help="The law as data.", no_args_is_help=True)
calendar = typer.Typer(help="Day-off notices of the State Council.", no_args_is_help=True)
demo = typer.Typer(help="Synthetic data to try things on.", no_args_is_help=True)
app.add_typer(database, name="db")
app.add_typer(keys, name="keys")
app.add_typer(departments, name="departments")
app.add_typer(catalogue, name="catalogue")
app.add_typer(calendar, name="calendar")
app.add_typer(demo, name="demo")


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


def _open_registry() -> "Registry":
    from app.registry import Registry

    settings = Settings()
    if settings.embedded:
        _prepare_database(settings)
    registry = Registry.open(settings)
    error = registry.verify()
    if error is not None:
        raise error
    return registry


def _prepare_database(settings: Settings) -> None:
    """Open the embedded database, and create or migrate it without an administrator."""
    from app.catalogue.service import add_missing_shipped_items, initialize_registry
    from app.db import migrations
    from app.registry import Registry

    # Never next to an existing database, which was encrypted with a key that must be found.
    is_new = settings.embedded and migrations.read_current_revision(settings) is None
    if is_new and settings.secret_key_file is None and not settings.key_path.exists():
        Secrets.make(settings.key_path)
    registry = Registry.open(settings)
    migrations.upgrade(settings)
    initialize_registry(registry)
    add_missing_shipped_items(registry)
    registry.close()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes")] = 1,
) -> None:
    """Serve the registry; on PostgreSQL a stale schema is refused."""
    import uvicorn

    try:
        # Looked at before any worker starts: one that fails to start is started again for ever.
        registry = _open_registry()
        registry.write(registry.adopt_keys)
        registry.close()
    except SecretKeyMismatch as mismatch:
        # It starts all the same and answers 503, so that clients get the reason.
        print(f"redblack: {mismatch.detail.en}", file=sys.stderr)
    metrics_dir = tempfile.mkdtemp(prefix="redblack-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_dir
    try:
        uvicorn.run(
            "app.main:serve_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,  # our own line names the route, never the address
            log_config=None,
            server_header=False,
            timeout_worker_healthcheck=30,
        )
    finally:
        shutil.rmtree(metrics_dir, ignore_errors=True)


# --- db ------------------------------------------------------------------


@database.command("upgrade")
def upgrade_database() -> None:
    """Migrate to the newest schema, and give the database what it lacks of the shipped law."""
    from app.db import migrations

    settings = Settings()
    _prepare_database(settings)
    print(f"schema at {migrations.read_current_revision(settings)}")


@database.command("current")
def show_revision() -> None:
    """Show the schema's revision, and the newest."""
    from app.db import migrations

    print(
        f"{migrations.read_current_revision(Settings())} (newest: {migrations.find_schema_head()})"
    )


@database.command("new-epoch")
def start_epoch() -> None:
    """Mark a restore or failover: from here on numbers may have been used before."""
    from app.epoch.service import start_epoch as start

    print(f"epoch {start(_open_registry())}")


# --- keys ----------------------------------------------------------------


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What the key is for")],
    role: Annotated[Role, typer.Option(help="What it may do")],
    department: Annotated[
        str | None, typer.Option(help="For which department it acts: its code, name or alias")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Whose key it is")] = None,
) -> None:
    """Make a key and print it, this once."""
    from app.catalogue.queries import require_department_code
    from app.security.service import create

    registry = _open_registry()
    code = require_department_code(registry, department) if department else None
    print(create(registry, name=name, role=role, department=code, person=person))


@keys.command("list")
def list_keys() -> None:
    """Show every key, without the key itself."""
    from app.security import queries

    with _open_registry().database.reading() as connection:
        for key in queries.list_keys(connection):
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
            columns = (key.id, key.role, key.department or "-", key.name, key.person or "-", state)
            print("\t".join(map(str, columns)))


@keys.command("revoke")
def revoke_key(key_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End a key; no worker takes it after two seconds."""
    from app.security.service import revoke

    if not revoke(_open_registry(), key_id):
        raise ValueError("no such key in use")
    print("revoked")


@keys.command("secret")
def make_secret(file: Annotated[Path, typer.Argument()]) -> None:
    """Make a new secret key file (mode 0600); an existing one is never overwritten."""
    Secrets.make(file)
    print(f"{file} made; keep a copy in a safe place, for without it nothing opens")


# --- law -----------------------------------------------------------------


@departments.command("add")
def add_department(
    code: Annotated[str, typer.Option(help="Its code, in small letters")],
    name: Annotated[str, typer.Option(help="Its name")],
    parent: Annotated[str | None, typer.Option(help="The body above it")] = None,
) -> None:
    """Add a department below or next to the bodies of the plan."""
    from app.catalogue.service import add_department as add

    print(f"catalogue version {add(_open_registry(), code, name, parent)}")


@catalogue.command("load")
def load_catalogue(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Put a file's items into the catalogue, by code."""
    from app.catalogue.service import load_catalogue_file

    print(f"catalogue version {load_catalogue_file(_open_registry(), file)}")


@catalogue.command("enable")
def enable_list_type(
    list_type: Annotated[str, typer.Argument()],
    legal_reference: Annotated[str, typer.Option(help="The law that it rests on")],
) -> None:
    """Put a list type in force on its legal reference."""
    from app.catalogue.service import put_list_type_in_force

    print(
        f"catalogue version {put_list_type_in_force(_open_registry(), list_type, legal_reference)}"
    )


@calendar.command("load")
def load_calendar(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Load or amend a year's day-off notice, and recompute the deadlines that it touches."""
    from app.calendar.notices import read_calendar_notice
    from app.notices.service import load_calendar_notice

    registry = _open_registry()
    result = load_calendar_notice(registry, read_calendar_notice(file))
    print(
        f"calendar version {result.calendar_version}, {result.deadlines} deadlines recomputed,"
        f" {result.due_days} of open cases"
    )


# --- data ----------------------------------------------------------------


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

    registry = _open_registry()
    load_demo_data(registry, subjects=subjects, seed=seed)
    if keys_file is not None:
        print_keys(registry, keys_file, port)


@app.command()
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
        _open_registry(),
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


@app.command()
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

    from app.client.mirror import MirrorError, read_key, run_mirror

    if follow is not None:  # it ends on a signal
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        key = read_key(key_file)
        for line in run_mirror(
            url, into, key, poll_seconds=follow, prove=prove, max_wait_seconds=patience
        ):
            print(line, flush=True)
    except MirrorError as ended:
        print(f"redblack: {ended}", file=sys.stderr)
        raise typer.Exit(ended.exit_code) from None
    except KeyboardInterrupt:
        if follow is None:
            raise


@app.command()
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
    from app.client.mirror import MirrorError, read_key
    from app.client.push import PushError, PushOptions, push_file

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
    except (PushError, MirrorError) as ended:
        print(f"redblack: {ended}", file=sys.stderr)
        raise typer.Exit(ended.exit_code) from None


@app.command("import")
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
    from app.submissions.service import SubmissionOptions

    registry = _open_registry()
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


@app.command("work-submissions", hidden=True)
def work_submissions() -> None:
    """Run waiting submissions; a server starts this command itself."""
    import gc
    import signal

    from app import logs
    from app.jobs.worker import run_waiting_jobs
    from app.registry import Registry
    from app.submissions.processing.queue import SubmissionQueue

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it lets go of what it works on
    os.nice(WORKER_NICENESS)
    settings = Settings()
    logs.configure(settings.log_level)
    registry = Registry.open(settings)  # the server that starts this looked whether it is in order
    # Rows come and go and leave no rings behind: looking for some after every few costs a tenth.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        run_waiting_jobs(registry, [SubmissionQueue()])
    except KeyboardInterrupt:
        raise typer.Exit(1) from None
    finally:
        registry.close()


# --- development ---------------------------------------------------------


@app.command(hidden=True)
def openapi(output: Annotated[Path, typer.Option(help="The file to write")]) -> None:
    """Write the OpenAPI document; no settings and no database are needed."""
    import json

    from app.main import create_app

    document = create_app(Settings.model_construct()).openapi()
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    output.write_text(f"{text}\n", "utf-8")
    print(output)


if __name__ == "__main__":
    main()
