"""Interrupted submissions: after any failure, every row is recorded once and answered once."""

import logging
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from app.demo.synthetic import build_uscc
from app.jobs import dispatcher
from app.jobs.queue import LeaseLost
from app.jobs.worker import run_waiting_jobs
from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER
from app.settings import Settings
from app.submissions import service
from app.submissions.processing import list_comparison, queue, reversal, row_by_row
from app.submissions.processing.job import ProcessedSubmission, Progress, SubmissionJob
from app.submissions.schemas import State, SubmissionOptions
from app.submissions.store.submissions import SubmissionRow
from app.submissions.upload.encrypted_file import PART_BYTES
from tests.support import submission_files
from tests.support.processes import build_push_today, create_key, serve_registry
from tests.support.request_bodies import (
    build_check,
    build_organisation,
    build_penalty_changes,
    build_push,
    build_question,
)
from tests.support.submission_workers import (
    NDJSON,
    build_bodies,
    count_submissions_and_parts,
    find_worker_pids,
    format_ndjson,
    kill_all,
    kill_workers,
    read_complete_results,
    read_newest_submission,
    read_peak_memory,
    read_references,
    read_stored_submission,
    require_recorded,
    send_file,
    wait_for,
    wait_for_end,
    wait_for_rows,
    wait_until_finished,
)
from tests.support.world import RegistryTemplates, World, change_tuning

MEBIBYTE = 1 << 20
QUICK = {"REDBLACK_SUBMISSION_LEASE_SECONDS": "1"}
"""A dead worker loses its lease soon."""
IN_BACKGROUND = {**QUICK, "REDBLACK_SUBMISSION_AT_ONCE_BYTES": "0"}


# --- killed processes --------------------------------------------------------------


def test_killed_and_stopped_servers_and_workers_leave_every_row_recorded_once(
    settings: Settings, registry: Registry, key: str, tmp_path: Path
) -> None:
    rows = build_bodies(range(4_500))
    file = format_ndjson(rows)
    assert len(file) > settings.submission_at_once_bytes
    asker = create_key(settings, "approver", "finance_bureau")

    with serve_registry(settings, tmp_path, **QUICK) as served, served.client(key) as client:
        answer = client.post("/v1/submissions", content=file)
        assert answer.status_code == httpx.codes.ACCEPTED
        name = answer.json()["id"]
        place = answer.headers["Location"]
        assert place == f"/v1/submissions/{name}"
        read = wait_for_rows(registry, name, 0)
        first = find_worker_pids(served)
        assert len(first) == 1
        # A clerk asks meanwhile, and sees the rows that are recorded already.
        with served.client(asker) as other:
            check = other.post("/v1/checks", json=build_check(build_question(build_uscc(0), None)))
        assert check.status_code == httpx.codes.OK
        assert check.json()["results"][0]["found"]

        kill_workers(first)
        wait_for(  # the server starts another
            lambda: client.get(place).json()["progress"]["rows_read"] > read + 300,
            "another worker",
        )
        [second] = find_worker_pids(served)
        assert second not in first
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
        print(f"stopped after {time.monotonic() - began:.1f} s")
        assert not Path(f"/proc/{second}").exists()
        log = served.log.read_text()
        assert "Traceback" not in log
        assert "Application shutdown complete" in log
    left = read_stored_submission(registry, name)
    assert (left.state, left.leased_until) == (State.running, None)  # no client has to wait for it

    with serve_registry(settings, tmp_path, **QUICK) as served:
        read = wait_for_rows(registry, name, left.rows_read + 300)
        kill_all(served)
    left = read_stored_submission(registry, name)
    assert left.state == State.running
    assert read <= left.rows_read < len(rows)

    with serve_registry(settings, tmp_path, **QUICK) as served, served.client(key) as client:
        assert wait_for_end(registry, name).state == State.done  # without any request
        view = client.get(place).json()
        assert view["progress"]["rows_read"] == view["progress"]["accepted"] == len(rows)
        answers = read_complete_results(client, name)
        assert [item["row"] for item in answers] == list(range(1, len(rows) + 1))
        assert [item["source_ref"] for item in answers] == read_references(rows)
        again = wait_until_finished(client, send_file(client, file)["id"])
        assert again["id"] != name
        assert again["progress"]["replayed"] == len(rows)
        assert [item["entry_id"] for item in read_complete_results(client, again["id"])] == [
            item["entry_id"] for item in answers
        ]
    require_recorded(registry, read_references(rows))


def test_many_files_at_once_wait_for_one_another_in_no_ring(
    settings: Settings, registry: Registry, key: str, tmp_path: Path
) -> None:
    """The same organisations in opposite orders, in every mode, during single pushes."""
    serials = list(range(400))
    shuffled = random.Random(4).sample(serials, len(serials))
    record = build_penalty_changes()
    record.pop("source_ref")
    submission_files = [
        (build_bodies(reversed(serials), "WHOLE", **record), {"commit": "all_or_nothing"}),
        (build_bodies(reversed(serials), "DOWN", **record), {}),
        (build_bodies(serials, "UP"), {}),
        (build_bodies(shuffled, "MIXED", **record), {"commit": "all_or_nothing"}),
    ]
    single = build_bodies(shuffled[:90], "ONE", **record)
    more = {**IN_BACKGROUND, "REDBLACK_SUBMISSION_WORKERS": "2"}

    with serve_registry(settings, tmp_path, **more) as served, served.client(key) as client:

        def push_single(rows: list[dict[str, Any]]) -> Counter[int]:
            with served.client(key) as own:
                return Counter(own.post("/v1/entries", json=row).status_code for row in rows)

        with ThreadPoolExecutor(3) as pool:
            names = [
                send_file(client, format_ndjson(rows), **wish)["id"]
                for rows, wish in submission_files
            ]
            pushed = [pool.submit(push_single, single[part::3]) for part in range(3)]
            views = [wait_until_finished(client, name) for name in names]
            statuses = sum((item.result(60) for item in pushed), Counter())
        for (rows, _), view in zip(submission_files, views, strict=True):
            assert view["state"] == "done", view
            assert view["progress"]["accepted"] == len(rows)
            found = [item["source_ref"] for item in read_complete_results(client, view["id"])]
            assert found == read_references(rows)
        log = served.log.read_text()
    assert statuses == {httpx.codes.CREATED: len(single)}
    assert "Traceback" not in log
    assert "deadlock" not in log.lower()
    everything = [row["source_ref"] for rows, _ in submission_files for row in rows]
    require_recorded(registry, everything + read_references(single))


def test_a_large_file_takes_little_memory(
    settings: Settings, registry: Registry, key: str, tmp_path: Path
) -> None:
    """Sixty megabytes, refused quickly; the bound is far above the use on any machine."""
    line = format_ndjson([build_push_today(build_uscc(1), "LONG-1", remark="长" * 6_000)])
    count = 60 * MEBIBYTE // len(line)
    with serve_registry(settings, tmp_path) as served, served.client(key) as client:
        send_file(client, format_ndjson(build_bodies([1])))  # all code is loaded by now
        server_before, began = read_peak_memory(served.process.pid), time.monotonic()
        name = send_file(client, (line for _ in range(count)))["id"]
        wait_for(lambda: read_stored_submission(registry, name).state == State.running, "a worker")
        [worker] = find_worker_pids(served)
        worker_before = worker_peak = read_peak_memory(worker)

        def look() -> bool:
            nonlocal worker_peak
            worker_peak = max(worker_peak, read_peak_memory(worker))
            return read_stored_submission(registry, name).finished_at is not None

        wait_for(look, "the end of a large submission")
        server_more = read_peak_memory(served.process.pid) - server_before
        view = client.get(f"/v1/submissions/{name}").json()
    assert view["progress"]["refused"] == view["progress"]["rows_read"] == count
    worker_more = worker_peak - worker_before
    print(
        f"{count} rows in {time.monotonic() - began:.1f} s: the server took"
        f" {server_more / MEBIBYTE:.0f} MiB more, its worker {worker_more / MEBIBYTE:.0f} MiB"
        f" more than {worker_before / MEBIBYTE:.0f}"
    )
    assert server_more + worker_more < 200 * MEBIBYTE


# --- incomplete uploads -----------------------------------------------------------


@contextmanager
def begun(world: World, start: bytes, headers: dict[str, str]) -> Iterator[socket.socket]:
    """Open the connection of a request of which only this part was sent."""
    where = urlsplit(world.address)
    assert where.hostname is not None
    key = world.api().headers["Authorization"]
    head = {"Host": where.netloc, "Authorization": key, **headers}
    is_stored = len(start) > PART_BYTES  # a shorter file is stored when it is complete
    lines = ["POST /v1/submissions HTTP/1.1", *(f"{name}: {said}" for name, said in head.items())]
    with socket.create_connection((where.hostname, where.port or 80), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + start)
        if is_stored:
            wait_for(
                lambda: read_newest_submission(world.registry), "the beginning of a submission"
            )
        yield connection


CUT_OFF: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], dict[str, str]]]] = {
    "whole": (lambda part: part, lambda file: {"Content-Length": str(len(file)), **NDJSON}),
    "chunked": (
        lambda part: f"{len(part):x}\r\n".encode() + part + b"\r\n",
        lambda _: {"Transfer-Encoding": "chunked", **NDJSON},
    ),
    "form": (
        lambda part: b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + part,
        lambda file: {
            "Content-Length": str(len(file) + 1_000),
            "Content-Type": "multipart/form-data; boundary=x",
        },
    ),
}


@pytest.mark.parametrize(
    ("kind", "row_count", "reset"),
    [
        ("whole", 3_000, False),
        ("whole", 3_000, True),
        ("whole", 100, True),
        ("chunked", 3_000, True),
        ("form", 3_000, False),
    ],
)
def test_a_connection_cut_in_the_middle_of_a_file_leaves_nothing(
    world: World, kind: str, row_count: int, *, reset: bool
) -> None:
    rows = sent_rows(row_count)
    file = format_ndjson(rows)
    body, headers = CUT_OFF[kind]
    with begun(world, body(file[: len(file) * 9 // 10]), headers(file)) as connection:
        if reset:  # as a router does that forgot the connection
            gone = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
    wait_for(
        lambda: count_submissions_and_parts(world.registry) == (0, 0), "the cut file to be gone"
    )
    view = send_file(world.api(), format_ndjson(rows[:20]))
    assert (view["state"], view["progress"]["accepted"]) == ("done", 20)
    require_recorded(world.registry, read_references(rows[:20]))


def test_a_sender_that_says_nothing_more_is_not_waited_for_for_ever(world: World) -> None:
    change_tuning(world.registry.settings, stalled_client_seconds=0.3)
    file = format_ndjson(sent_rows(100))
    body, headers = CUT_OFF["whole"]
    with begun(world, body(file[:1_000]), headers(file)) as connection:
        answer = connection.recv(10_000).decode()
        assert answer.startswith("HTTP/1.1 400 ")
    assert count_submissions_and_parts(world.registry) == (0, 0)


def test_a_partial_upload_of_a_dead_server_is_discarded_within_a_minute(world: World) -> None:
    start = store_of_half_a_file(world)
    queue.SubmissionQueue().clean_up(world.registry)
    assert count_submissions_and_parts(world.registry) == (1, 1)
    world.clock.instant += timedelta(seconds=60)
    queue.SubmissionQueue().clean_up(world.registry)
    assert count_submissions_and_parts(world.registry) == (0, 0)
    answer = world.api().get(f"/v1/submissions/{start}")
    assert (answer.status_code, answer.json()["code"]) == (404, "submission_not_found")


def test_a_slow_sender_keeps_its_upload(world: World) -> None:
    change_tuning(world.registry.settings, upload_lease_seconds=0.8)
    file = format_ndjson(sent_rows(3_000))
    body, headers = CUT_OFF["whole"]
    cut = len(file) * 9 // 10
    with begun(world, body(file[:cut]), headers(file)) as connection:
        for _ in range(4):
            world.clock.instant += timedelta(seconds=0.5)
            time.sleep(0.4)
            queue.SubmissionQueue().clean_up(world.registry)
        assert count_submissions_and_parts(world.registry)[0] == 1
        connection.sendall(file[cut:])
        assert connection.recv(10_000).decode().startswith("HTTP/1.1 202 ")


def test_an_upload_that_was_given_up_is_answered_503_and_leaves_nothing(world: World) -> None:
    file = format_ndjson(sent_rows(3_000))
    body, headers = CUT_OFF["whole"]
    cut = len(file) * 9 // 10
    with begun(world, body(file[:cut]), headers(file)) as connection:
        world.clock.instant += timedelta(seconds=60)
        queue.SubmissionQueue().clean_up(world.registry)
        connection.sendall(file[cut:])
        answer = connection.recv(10_000).decode()
        assert answer.startswith("HTTP/1.1 503 ")
        assert '"code":"unavailable"' in answer
    assert count_submissions_and_parts(world.registry) == (0, 0)


def test_a_kill_while_fifty_files_arrive_frees_the_department(
    backend: str, templates: RegistryTemplates, tmp_path: Path
) -> None:
    settings = templates.create_copy(backend)
    key = create_key(settings, "department", "human_resources")
    part = format_ndjson(sent_rows(3_000))
    variables = {"REDBLACK_UPLOAD_LEASE_SECONDS": "3", "REDBLACK_SUBMISSION_WORKERS": "0"}
    with closing(Registry.open(settings)) as registry, ExitStack() as connections:
        with serve_registry(settings, tmp_path, **variables) as served:
            where = urlsplit(served.address)
            head = (
                f"POST /v1/submissions HTTP/1.1\r\nHost: {where.netloc}\r\n"
                f"Authorization: Bearer {key}\r\nContent-Type: application/x-ndjson\r\n"
                f"Content-Length: {len(part) + 1_000_000}\r\n\r\n"
            )
            for _ in range(service.MAX_UNFINISHED):
                address = (where.hostname or "", where.port or 80)
                connection = socket.create_connection(address, timeout=30)
                connections.enter_context(connection)
                connection.sendall(head.encode() + part)
            wait_for(
                lambda: count_submissions_and_parts(registry)[0] == service.MAX_UNFINISHED,
                "fifty files",
            )
            with served.client(key) as client:
                refused = client.post("/v1/submissions", content=part[:1], headers=NDJSON)
                assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            served.kill()
        killed = time.monotonic()
        with serve_registry(settings, tmp_path, **variables) as again, again.client(key) as client:
            row = format_ndjson(sent_rows(1))
            while client.post("/v1/submissions", content=row, headers=NDJSON).status_code == 503:
                assert time.monotonic() - killed < 30
                time.sleep(0.2)
            view = send_file(client, format_ndjson(sent_rows(1, "NEXT")))
            assert view["state"] == "done"
    templates.drop_copy(settings)


def store_of_half_a_file(world: World) -> UUID:
    upload = service.begin_upload(world.registry, COMMAND_LINE_CALLER, SubmissionOptions())
    upload.add(format_ndjson(sent_rows(10)))
    service.store_part(world.registry, upload)
    return upload.row.id


# --- workers that stall or die ---------------------------------------------------


STEP = 10


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make several steps of few rows; in the server's own processes steps keep their size."""
    for module, name in (
        (row_by_row, "FIRST_STEP_ROWS"),
        (row_by_row, "MAX_STEP_ROWS"),
        (row_by_row, "STAGED_STEP_ROWS"),
        (list_comparison, "STEP_ROWS"),
        (reversal, "ENTRIES_PER_STEP"),
    ):
        monkeypatch.setattr(module, name, STEP)
    monkeypatch.setattr(row_by_row, "STEP_SECONDS", 60)  # a slow machine does not make them smaller


class Died(BaseException):
    """Represents a process that was killed: its open transaction is rolled back."""


WHOLES: dict[str, dict[str, Any]] = {
    "rows": {},
    "dry_run": {"dry_run": True},
    "all_or_nothing": {"commit": "all_or_nothing"},
    "replace": {"mode": "replace", "list_type": "wage_arrears.black", "reason": "全量报送"},
}


def sent_rows(count: int, name: str = "ROW") -> list[dict[str, Any]]:
    """Build rows for the day of the clock of a world."""
    return [
        build_push(source_ref=f"{name}-{serial}", subject=build_organisation(serial))
        for serial in range(count)
    ]


def queued(
    world: World, rows: list[dict[str, Any]], wish: dict[str, Any], file: bytes = b""
) -> UUID:
    """Send a submission that waits for a worker."""
    world.registry.settings.submission_at_once_bytes = 0
    declared = {"rows": len(rows)} if "mode" in wish else {}
    view = send_file(world.api(), file or format_ndjson(rows), **wish, **declared)
    assert view["state"] == "queued"
    return UUID(view["id"])


def taken_up(world: World, worker: str) -> SubmissionRow | None:
    """Claim a submission after all leases have expired."""
    seconds = world.registry.settings.tuning.submission_lease_seconds + 1
    world.clock.instant += timedelta(seconds=seconds)
    return queue.claim_submission(world.registry, worker)


@contextmanager
def stalled(
    world: World, monkeypatch: pytest.MonkeyPatch, row: SubmissionRow, slices: int
) -> Iterator[Callable[[], None]]:
    """Run a worker that stalls after so many slices; the yielded call lets it continue."""
    reached, go_on, plain = threading.Event(), threading.Event(), SubmissionJob.prepare_proposals
    done = 0

    def propose(job: SubmissionJob, rows: Any) -> Any:
        nonlocal done
        if job.row.worker == row.worker:
            done += 1
            if done == slices:
                reached.set()
                assert go_on.wait(60)
        return plain(job, rows)

    monkeypatch.setattr(SubmissionJob, "prepare_proposals", propose)
    with ThreadPoolExecutor(1) as pool:
        worked = pool.submit(row_by_row.process, world.registry, row)
        assert reached.wait(60)

        def resume() -> None:
            go_on.set()
            worked.result(60)

        try:
            yield resume
        finally:
            go_on.set()


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(
    ("kind", "slices"),
    [("rows", 1), ("rows", 3), ("dry_run", 2), ("all_or_nothing", 3), ("replace", 2)],
)
def test_of_two_workers_on_one_file_only_the_later_writes(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    slices: int,
) -> None:
    rows = sent_rows(3 * STEP)
    name = queued(world, rows, WHOLES[kind])
    first = queue.claim_submission(world.registry, "first")
    assert first is not None
    with stalled(world, monkeypatch, first, slices) as resume:
        assert queue.claim_submission(world.registry, "second") is None  # the lease is valid
        second = taken_up(world, "second")
        assert second is not None
        row_by_row.process(world.registry, second)
        before = read_stored_submission(world.registry, name)
        with caplog.at_level(logging.WARNING, "redblack.submissions"):
            resume()
    assert f"{name} was taken up by another worker" in caplog.text
    assert read_stored_submission(world.registry, name) == before
    assert (before.state, before.rows_read, before.accepted) == ("done", len(rows), len(rows))
    answers = read_complete_results(world.api(), str(name))
    assert [item["row"] for item in answers] == list(range(1, len(rows) + 1))
    expected = [] if kind == "dry_run" else read_references(rows)
    require_recorded(world.registry, expected)


@pytest.mark.usefixtures("small_steps")
def test_a_worker_that_lost_its_lease_fails_at_its_next_step(world: World) -> None:
    name = queued(world, sent_rows(3), {})
    first = queue.claim_submission(world.registry, "first")
    assert first is not None
    job = SubmissionJob(world.registry, first)
    world.registry.write(job.record_step)
    assert taken_up(world, "second") is not None
    before = read_stored_submission(world.registry, name)
    for step in (
        job.record_step,
        job.restart,
        lambda connection: job.add_results(connection, Progress(first), []),
    ):
        with pytest.raises(LeaseLost):
            world.registry.write(step)
    with pytest.raises(LeaseLost):
        job.commit_final_state(State.done)
    assert read_stored_submission(world.registry, name) == before


@pytest.mark.usefixtures("small_steps")
def test_who_is_late_but_was_not_given_up_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sent_rows(2 * STEP)
    name = queued(world, rows, {})
    first = queue.claim_submission(world.registry, "first")
    assert first is not None
    with stalled(world, monkeypatch, first, 2) as resume:
        world.clock.instant += timedelta(hours=1)
        resume()
    assert read_stored_submission(world.registry, name).state == State.done
    require_recorded(world.registry, read_references(rows))


def dying(monkeypatch: pytest.MonkeyPatch, name: UUID, *, slices: int) -> Counter[str]:
    """Let every worker die at the slice of that number; count the dead ones."""
    plain = SubmissionJob.prepare_proposals
    done: Counter[str] = Counter()
    died: Counter[str] = Counter()

    def propose(job: SubmissionJob, rows: Any) -> Any:
        if job.row.id == name:
            worker = str(job.row.worker)
            done[worker] += 1
            if done[worker] == slices:
                died[worker] += 1
                raise Died
        return plain(job, rows)

    monkeypatch.setattr(SubmissionJob, "prepare_proposals", propose)
    return died


def work_until_nothing_waits(world: World) -> None:
    """Run one worker after another, as a dispatcher starts them."""
    for number in range(30):
        row = taken_up(world, f"worker {number}")
        if row is None:
            return
        with suppress(Died):
            row_by_row.process(world.registry, row)
    raise AssertionError("it is worked on for ever")


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(
    ("kind", "slices"), [("rows", 1), ("dry_run", 1), ("all_or_nothing", 2), ("replace", 2)]
)
def test_a_file_that_kills_its_workers_does_not_block_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, slices: int
) -> None:
    poison = queued(world, sent_rows(2 * STEP, "POISON"), WHOLES[kind])
    behind = queued(world, sent_rows(5), {})
    died = dying(monkeypatch, poison, slices=slices)
    work_until_nothing_waits(world)
    assert sum(died.values()) == row_by_row.MAX_ATTEMPTS
    row = read_stored_submission(world.registry, poison)
    assert row.state in {State.refused, State.stopped}
    assert row.problem is not None
    assert row.problem["errors"][0]["code"] == "gave_up"
    assert read_stored_submission(world.registry, behind).state == State.done
    require_recorded(world.registry, [f"ROW-{serial}" for serial in range(5)])


@pytest.mark.usefixtures("small_steps")
def test_a_file_is_finished_by_workers_that_die_after_each_step(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sent_rows(STEP * (row_by_row.MAX_ATTEMPTS + 3))
    name = queued(world, rows, {})
    died = dying(monkeypatch, name, slices=2)
    work_until_nothing_waits(world)
    assert sum(died.values()) > row_by_row.MAX_ATTEMPTS
    assert read_stored_submission(world.registry, name).state == State.done
    answers = read_complete_results(world.api(), str(name))
    assert [item["row"] for item in answers] == list(range(1, len(rows) + 1))
    require_recorded(world.registry, read_references(rows))


@pytest.mark.usefixtures("small_steps")
def test_who_looks_for_the_place_where_another_died_keeps_the_lease_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sent_rows(2 * STEP)
    name = queued(world, rows, {})
    with monkeypatch.context() as dies:
        dying(dies, name, slices=2)
        row = taken_up(world, "first")
        assert row is not None
        with pytest.raises(Died):
            row_by_row.process(world.registry, row)
    row = taken_up(world, "second")
    assert row is not None
    change_tuning(world.registry.settings, submission_lease_seconds=1e-6)  # every row takes longer
    renewed = 0
    plain = SubmissionJob.record_step

    def step(job: SubmissionJob, connection: Any, **values: Any) -> None:
        nonlocal renewed
        renewed += 1
        plain(job, connection, **values)

    monkeypatch.setattr(SubmissionJob, "record_step", step)
    job = SubmissionJob(world.registry, row)
    [following], _ = next(job.read_slices(lambda: 1, after_row=job.progress.last_row))
    assert following.number == STEP + 1
    assert renewed > 0


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("kind", ["all_or_nothing", "replace"])
def test_who_dies_while_all_is_recorded_at_once_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    world.record(source_ref="OLD-1", subject=build_organisation(5_000))
    world.registry.settings.replace_brake_share = 1
    rows = sent_rows(2 * STEP)
    name = queued(world, rows, WHOLES[kind])

    def die(*_: Any, **__: Any) -> None:
        raise Died  # after the last row, before the end is recorded

    with monkeypatch.context() as dies:
        dies.setattr(SubmissionJob, "write_final_state", die)
        row = taken_up(world, "first")
        assert row is not None
        with pytest.raises(Died):
            row_by_row.process(world.registry, row)
    require_recorded(world.registry, ["OLD-1"])
    work_until_nothing_waits(world)
    row = read_stored_submission(world.registry, name)
    assert (row.state, row.accepted, row.exited) == ("done", len(rows), int(kind == "replace"))
    require_recorded(world.registry, ["OLD-1", *read_references(rows)])


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(
    ("kind", "slices", "recorded"), [("rows", 2, 2 * STEP), ("all_or_nothing", 2, 0)]
)
def test_a_stopped_worker_finishes_its_step_and_releases_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str, slices: int, recorded: int
) -> None:
    rows = sent_rows(3 * STEP)
    name = queued(world, rows, WHOLES[kind])
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    plain = SubmissionJob.prepare_proposals
    done = 0

    def propose(job: SubmissionJob, rows: Any) -> Any:
        nonlocal done
        done += 1
        if done == slices:
            signal.raise_signal(signal.SIGTERM)
        return plain(job, rows)

    with monkeypatch.context() as patched:
        patched.setattr(SubmissionJob, "prepare_proposals", propose)
        row = taken_up(world, "first")
        assert row is not None
        with pytest.raises(KeyboardInterrupt):
            queue.process_submission(world.registry, row)
    left = read_stored_submission(world.registry, name)
    assert (left.state, left.leased_until, left.attempts) == (State.running, None, 0)
    require_recorded(world.registry, read_references(rows[:recorded]))
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert (
        run_waiting_jobs(world.registry, [queue.SubmissionQueue()]) == 1
    )  # at once: there is no lease to wait for
    require_recorded(world.registry, read_references(rows))


@pytest.mark.usefixtures("small_steps")
def test_nothing_behind_the_first_refused_row_is_recorded_after_a_death_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sent_rows(3)
    rows[1]["subject"]["identifiers"][0]["number"] = "91370403MB000CT75X"
    name = queued(world, rows, {"on_error": "stop"})
    with monkeypatch.context() as dies:

        def die(*_: object, **__: object) -> None:
            raise Died

        dies.setattr(
            SubmissionJob, "commit_final_state", die
        )  # its last step is recorded, its end is not
        row = taken_up(world, "first")
        assert row is not None
        with pytest.raises(Died):
            row_by_row.process(world.registry, row)
    work_until_nothing_waits(world)
    row = read_stored_submission(world.registry, name)
    assert (row.state, row.rows_read, row.refused) == ("stopped", 2, 1)
    require_recorded(world.registry, ["ROW-0"])


@pytest.mark.usefixtures("small_steps")
def test_a_reversal_that_was_interrupted_goes_on_and_counts_each_entry_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.registry.settings.replace_brake_entries = 1_000  # one person may reverse so many
    rows = sent_rows(3 * STEP)
    name = queued(world, rows, {})
    work_until_nothing_waits(world)
    order = {"reason": "误传"}
    answer = world.api().post(f"/v1/submissions/{name}/reversals", json=order)
    assert answer.json()["state"] == "reversing", answer.text
    steps = 0
    plain = reversal._reverse_step
    with monkeypatch.context() as dies:

        def step(*arguments: Any) -> int:
            nonlocal steps
            steps += 1
            if steps == 3:
                raise Died
            return plain(*arguments)

        dies.setattr(reversal, "_reverse_step", step)
        row = taken_up(world, "first")
        assert row is not None
        with pytest.raises(Died):
            row_by_row.process(world.registry, row)
    assert read_stored_submission(world.registry, name).reversed == 2 * STEP
    work_until_nothing_waits(world)
    row = read_stored_submission(world.registry, name)
    assert (row.state, row.reversed, row.problem) == ("reversed", len(rows), None)


def test_a_worker_that_does_not_heed_the_signal_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"
    )
    monkeypatch.setattr(dispatcher, "POLL_SECONDS", 0.1)
    worker = subprocess.Popen(
        [sys.executable, "-c", deaf], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    monkeypatch.setattr(dispatcher, "_start_worker", lambda _: worker)
    with worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        queued(world, sent_rows(1), {})
        running = dispatcher.Dispatcher(world.registry, [queue.SubmissionQueue()])
        running._poll()
        running.close()
        assert worker.returncode == -signal.SIGKILL


# --- small files ------------------------------------------------------------------


def finish_small_upload(world: World, rows: list[dict[str, Any]]) -> ProcessedSubmission:
    """Send a small file as its route does, within the process of the test."""
    upload = service.begin_upload(
        world.registry, COMMAND_LINE_CALLER, SubmissionOptions(department="human_resources")
    )
    upload.add(format_ndjson(rows))
    return service.finish_and_process(
        world.registry, upload, worker="sender", max_rows=2_000, max_results=3_000
    )


def test_a_small_file_needs_two_transactions_and_no_decryption(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.record(source_ref="FIRST")  # the status changes of the day are recorded
    writes: list[object] = []
    write = type(world.registry).write

    def counted(registry: Registry, work: Callable[[Any], Any]) -> Any:
        writes.append(work)
        return write(registry, work)

    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError("the file was decrypted")

    table = submission_files.format_csv(
        [submission_files.build_cells(row) for row in sent_rows(3)], encoding="gb18030"
    )
    with monkeypatch.context() as patched:
        patched.setattr(type(world.registry), "write", counted)
        patched.setattr(type(world.registry.secrets), "open_content", refuse)
        view = submission_files.submit_file(world.api(), table, "text/csv")
    assert view["progress"]["accepted"] == 3
    assert len(writes) == 2
    assert read_complete_results(world.api(), view["id"]) == view["results"]


@pytest.mark.parametrize("method", ["prepare_proposals", "audit_final_state"])
def test_a_small_file_is_continued_after_its_server_died(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The server dies between the two transactions, or within the second one."""
    rows = sent_rows(3)

    def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as dies:
        dies.setattr(SubmissionJob, method, die)
        with pytest.raises(Died):
            finish_small_upload(world, rows)
    require_recorded(world.registry, [])
    again = finish_small_upload(world, rows)  # the same unfinished file
    assert (again.row.state, again.results) == (State.running, ())
    work_until_nothing_waits(world)
    assert read_stored_submission(world.registry, again.row.id).accepted == 3
    assert count_submissions_and_parts(world.registry) == (1, 1)
    require_recorded(world.registry, read_references(rows))


def test_a_sender_whose_lease_was_lost_receives_the_results_of_the_other_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, plain = sent_rows(3), SubmissionJob.prepare_proposals

    def propose(job: SubmissionJob, rows: Any) -> Any:
        if job.row.worker == "sender":
            other = taken_up(world, "other")
            assert other is not None
            row_by_row.process(world.registry, other)
        return plain(job, rows)

    monkeypatch.setattr(SubmissionJob, "prepare_proposals", propose)
    processed = finish_small_upload(world, rows)
    assert (processed.row.state, processed.row.worker) == (State.done, "other")
    assert processed.results is not None
    assert [item["row"] for item in processed.results] == [1, 2, 3]
    require_recorded(world.registry, read_references(rows))


# --- retention of files -------------------------------------------------------------


@pytest.mark.usefixtures("small_steps")
def test_a_file_expires_and_its_results_remain(world: World) -> None:
    [row] = sent_rows(1)
    row["subject"]["identifiers"][0]["number"] = "123"
    table = submission_files.format_csv([submission_files.build_cells(row)])
    view = submission_files.submit_file(world.api(), table, "text/csv")
    assert view["progress"]["refused"] == 1
    place = f"/v1/submissions/{view['id']}"
    waits = queued(world, sent_rows(3), {})
    answers = read_complete_results(world.api(), view["id"])
    days = world.registry.settings.submission_keep_days

    world.clock.instant += timedelta(days=days, hours=-1)
    queue.SubmissionQueue().clean_up(world.registry)
    assert world.api().get(f"{place}/refused.xlsx").status_code == 200

    world.clock.instant += timedelta(hours=2)
    queue.SubmissionQueue().clean_up(world.registry)
    assert count_submissions_and_parts(world.registry) == (2, 1)  # the waiting one is kept
    answer = world.api().get(f"{place}/refused.xlsx", headers={"Accept-Language": "zh"})
    assert (answer.status_code, answer.json()["code"]) == (409, "submission_state")
    assert "保存期" in answer.json()["detail"]
    assert read_complete_results(world.api(), view["id"]) == answers
    assert world.api().get(place).json()["state"] == view["state"]
    work_until_nothing_waits(world)
    assert read_stored_submission(world.registry, waits).accepted == 3
