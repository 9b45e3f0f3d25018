"""Commands of a server: serve the registry, run waiting submissions, write the OpenAPI document."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from app.cli import opening
from app.errors import ClockUntrusted, SecretKeyMismatch
from app.settings import Settings, Tuning

WORKER_NICENESS = 5  # of a worker: answers go before files

commands = typer.Typer()


@commands.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes")] = 1,
) -> None:
    """Serve the registry; on PostgreSQL a stale schema is refused."""
    import uvicorn

    try:
        # Looked at before any worker starts: one that fails to start is started again for ever.
        registry = opening.open_registry()
        registry.write(registry.adopt_keys)
        registry.close()
    except (SecretKeyMismatch, ClockUntrusted) as trouble:
        # It starts all the same and answers 503, so that clients get the reason.
        print(f"redblack: {trouble.detail.en}", file=sys.stderr)
    proxies = Settings().trusted_proxies
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
            http="app.http.connections:GuardedProtocol",
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_worker_healthcheck=30,
        )
    finally:
        shutil.rmtree(metrics_dir, ignore_errors=True)


@commands.command("work-submissions", hidden=True)
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


@commands.command(hidden=True)
def openapi(output: Annotated[Path, typer.Option(help="The file to write")]) -> None:
    """Write the OpenAPI document; no settings and no database are needed."""
    import json

    from app.main import create_app

    document = create_app(Settings.model_construct(tuning=Tuning.model_construct())).openapi()
    text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True)
    output.write_text(f"{text}\n", "utf-8")
    print(output)
