"""Files of many rows, their worker processes, and the conditions after their end."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import orjson
from sqlalchemy import func, select

from app.db.tables import Entry, Submission, SubmissionPart
from app.demo.synthetic import build_uscc
from app.registry import Registry
from app.submissions.store import submissions
from app.submissions.store.submissions import SubmissionRow
from tests.support.concurrent_clients import ConcurrentClients, require_consistent_registry
from tests.support.processes import ServerProcess, build_push_today

TIMEOUT_SECONDS = 60
NDJSON = {"Content-Type": "application/x-ndjson"}

T = TypeVar("T")


def build_bodies(serials: Iterable[int], name: str = "ROW", **changes: Any) -> list[dict[str, Any]]:
    """Build a row for each organisation of a series; its reference is the name and the serial."""
    return [
        build_push_today(build_uscc(serial), f"{name}-{serial}", **changes) for serial in serials
    ]


def format_ndjson(rows: Iterable[Any]) -> bytes:
    """Format rows as a file, one line each."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def read_references(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Read the references of rows, in order."""
    return [row["source_ref"] for row in rows]


def wait_for(read_state: Callable[[], T], description: str) -> T:
    """Repeat until something is found; return it."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (state := read_state()):
        assert time.monotonic() < deadline, f"waited in vain: {description}"
        time.sleep(0.03)
    return state


# --- processes -----------------------------------------------------------


def find_worker_pids(served: ServerProcess) -> list[int]:
    """Find the processes that process submissions for a server."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parent = directory.joinpath("stat").read_text().rpartition(") ")[2].split()[1]
            command = directory.joinpath("cmdline").read_bytes()
            if int(parent) == served.process.pid and b"work-submissions" in command:
                found.append(int(directory.name))
    return found


def kill_workers(pids: Iterable[int]) -> None:
    """Kill the workers as a power cut would."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_all(served: ServerProcess) -> None:
    """Kill a server and its workers; the server first, so that it starts no other."""
    workers = find_worker_pids(served)
    served.kill()
    kill_workers(workers)


def read_peak_memory(pid: int) -> int:
    """Return the maximum memory of a process in bytes; 0 if it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


# --- what is in the database -----------------------------------------------


def read_stored_submission(registry: Registry, submission_id: str | UUID) -> SubmissionRow:
    """Read the state of a submission from the database, which wakes no worker."""
    with registry.database.reading() as connection:
        row = submissions.get_submission(connection, UUID(str(submission_id)))
    assert row is not None
    return row


def read_newest_submission(registry: Registry) -> SubmissionRow | None:
    """Read the newest submission."""
    with registry.database.reading() as connection:
        rows = submissions.read_page(connection, before=None, limit=1, department=None, state=None)
    return rows[0] if rows else None


def wait_for_rows(registry: Registry, submission_id: str | UUID, more_than: int) -> int:
    """Wait until more rows than that are processed; return their number, before the last one."""

    def read_state() -> int:
        row = read_stored_submission(registry, submission_id)
        assert row.finished_at is None, f"it ended before it could be disturbed: {row}"
        return row.rows_read if row.rows_read > more_than else 0

    return wait_for(read_state, f"more than {more_than} rows")


def wait_for_end(registry: Registry, submission_id: str | UUID) -> SubmissionRow:
    """Wait until a submission has ended, without a request to the server."""

    def read_state() -> SubmissionRow | None:
        row = read_stored_submission(registry, submission_id)
        return row if row.finished_at is not None else None

    row = wait_for(read_state, "the end of a submission")
    assert row is not None
    return row


def count_submissions_and_parts(registry: Registry) -> tuple[int, int]:
    """Count submissions and the parts of their files."""
    with registry.database.reading() as connection:
        return (
            connection.scalar(select(func.count()).select_from(Submission)) or 0,
            connection.scalar(select(func.count()).select_from(SubmissionPart)) or 0,
        )


def require_recorded(registry: Registry, references: Iterable[str]) -> None:
    """Require that exactly these entries exist, each once, in a consistent registry."""
    with registry.database.reading() as connection:
        found = sorted(connection.scalars(select(Entry.source_ref)))
    assert found == sorted(references)
    require_consistent_registry(registry, ConcurrentClients("", "", ""))


# --- over HTTP ---------------------------------------------------------------


def send_file(client: httpx.Client, file: bytes | Iterable[bytes], **query: Any) -> dict[str, Any]:
    """Send a file that must be accepted; return the submission's view."""
    answer = client.post("/v1/submissions", params=query, content=file, headers=NDJSON)
    assert answer.status_code in {httpx.codes.OK, httpx.codes.ACCEPTED}, answer.text
    return dict(answer.json())


def wait_until_finished(client: httpx.Client, submission_id: str) -> dict[str, Any]:
    """Request a submission until it has ended."""

    def read_state() -> dict[str, Any] | None:
        answer = client.get(f"/v1/submissions/{submission_id}")
        assert answer.status_code == httpx.codes.OK, answer.text
        view = dict(answer.json())
        return view if view["finished_at"] else None

    view = wait_for(read_state, "the end of a submission")
    assert view is not None
    return view


def read_complete_results(client: httpx.Client, submission_id: str) -> list[dict[str, Any]]:
    """Read the answer to every row; the answers must be complete."""
    answer = client.get(f"/v1/submissions/{submission_id}/results")
    *rows, last = map(orjson.loads, answer.content.splitlines())
    assert last["trailer"]["rows"] == len(rows)
    assert last["trailer"]["complete"]
    return rows
