"""The `redblack` command as its users run it: a separate process, on the machine's clock."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from app.clock import Clock
from app.registry import Registry
from app.rules.permissions import Role
from app.security.service import create
from app.settings import Settings
from tests.support.request_bodies import build_push, build_subject

REDBLACK_COMMAND = Path(sys.executable).with_name("redblack")
START_SECONDS = 30


def build_environment(settings: Settings | None = None, **variables: str) -> dict[str, str]:
    """Build the environment that a process needs to open the registry, without that of the test."""
    inherited = {name: value for name, value in os.environ.items() if "REDBLACK" not in name}
    inherited.pop("PROMETHEUS_MULTIPROC_DIR", None)
    setting_variables = {
        f"REDBLACK_{field.upper()}": str(getattr(settings, field))
        for field in ("data_dir", "database_url", "secret_key_file", "clock_gap_days")
        if settings is not None
    }
    return inherited | setting_variables | variables


def run_redblack(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `named` is added to its environment."""
    return subprocess.run(
        [REDBLACK_COMMAND, *arguments],
        cwd=cwd,
        env=build_environment() | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass
class ServerProcess:
    """A running `redblack serve`."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def client(self, key: str | None = None) -> httpx.Client:
        """Open a client with a given key, or none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=self.address, headers=headers, timeout=60, trust_env=False, verify=False
        )

    def kill(self) -> None:
        """Kill it as a power cut would: no handler runs."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def serve_registry(
    settings: Settings, home: Path, *, workers: int = 1, port: int | None = None, **variables: str
) -> Iterator[ServerProcess]:
    """Serve a registry until the block ends."""
    chosen_port = port or find_free_port()
    log = home / f"served-{chosen_port}.log"
    arguments = ["serve", "--port", str(chosen_port), "--workers", str(workers)]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [REDBLACK_COMMAND, *arguments],
            cwd=home,
            env=build_environment(settings, TMPDIR=str(home), **variables),
            stdout=errors,
            stderr=errors,
        )
    served = ServerProcess(process, f"http://127.0.0.1:{chosen_port}", log)
    try:
        _wait_until_ready(served)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _wait_until_ready(served: ServerProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    with served.client() as client:
        while time.monotonic() < deadline:
            assert served.process.poll() is None, served.log.read_text()
            try:
                if client.get("/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError(f"not ready in time: {served.log.read_text()}")


def find_free_port() -> int:
    """Return a port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def create_key(settings: Settings, role: str, department: str | None = None) -> str:
    """Create a key on the command line while the server runs."""
    registry = Registry.open(settings)
    try:
        return create(registry, name=role, role=Role(role), department=department)
    finally:
        registry.close()


def build_push_today(number: str, source_ref: str, **changes: Any) -> dict[str, Any]:
    """Build a black entry decided today by the machine's clock."""
    today = Clock().today()
    return build_push(
        **{
            "source_ref": source_ref,
            "subject": build_subject(number),
            "decision": {
                "number": "枣人社列〔2026〕12号",
                "kind": "list_decision",
                "decided_on": today.isoformat(),
            },
            "conduct_ended_on": (today - timedelta(days=20)).isoformat(),
            "effective_from": today.isoformat(),
            "effective_until": (today + timedelta(days=1000)).isoformat(),
            **changes,
        }
    )
