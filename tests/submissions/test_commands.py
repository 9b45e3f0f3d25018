"""`redblack import` and `redblack push`: the same answers as over HTTP, and an exit code."""

import os
import pty
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from python_calamine import CalamineWorkbook

from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER
from app.settings import Settings
from app.submissions import service
from app.submissions.schemas import State, SubmissionOptions
from tests.conftest import DATABASES
from tests.support import submission_files
from tests.support.commands import CommandResult, build_command_runner
from tests.support.processes import (
    REDBLACK_COMMAND,
    build_environment,
    find_free_port,
    serve_registry,
)
from tests.support.submission_workers import (
    build_bodies,
    count_submissions_and_parts,
    find_worker_pids,
    format_ndjson,
    read_newest_submission,
    read_references,
    read_stored_submission,
    require_recorded,
    send_file,
    wait_for,
    wait_for_rows,
    wait_until_finished,
)
from tests.support.world import World, change_tuning

QUICK = {"REDBLACK_SUBMISSION_LEASE_SECONDS": "1"}
WRONG = "91370403MB000CT75X"
FOR_ALL = ["--list-type", "wage_arrears.black", "--department", "human_resources"]
REPLACE = ["--mode", "replace", "--reason", "全量报送"]

Run = Callable[..., CommandResult]


@pytest.fixture(params=DATABASES[:1])
def backend(request: pytest.FixtureRequest) -> str:
    """One database: other tests cover the records on both."""
    return str(request.param)


def spoilt(rows: list[dict[str, Any]], place: int) -> list[dict[str, Any]]:
    """Build the rows, one of them with a wrong check digit."""
    rows[place]["subject"]["identifiers"][0]["number"] = WRONG
    return rows


def read_results(file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read the answers in a file, and its trailer."""
    *answers, last = map(orjson.loads, file.read_bytes().splitlines())
    return answers, last["trailer"]


# --- import ----------------------------------------------------------------------


@pytest.fixture
def bring_in(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Run]:
    """Write a file and import it."""
    monkeypatch.chdir(tmp_path)
    command = build_command_runner(settings, monkeypatch, capsys)

    def run(content: bytes, *options: str, name: str = "rows.ndjson") -> CommandResult:
        tmp_path.joinpath(name).write_bytes(content)
        done = command("import", name, *options)
        assert "Traceback" not in done.stderr
        assert WRONG not in done.stdout + done.stderr
        return done

    yield run
    command.close()


def test_an_import_says_what_became_of_the_file_and_may_be_repeated(
    bring_in: Run, registry: Registry
) -> None:
    rows = build_bodies(range(3))
    for counts in ("3 accepted, 0 replayed", "0 accepted, 3 replayed"):
        done = bring_in(format_ndjson(rows), *FOR_ALL)
        row = read_newest_submission(registry)
        assert row is not None
        assert done.stdout == f"{row.id}: done, 3 rows, {counts}, 0 refused\n"
        assert (done.exit_code, done.stderr) == (0, "")
    require_recorded(registry, read_references(rows))


def test_an_import_names_the_rows_that_were_refused(
    bring_in: Run, registry: Registry, tmp_path: Path
) -> None:
    rows = spoilt(build_bodies(range(30)), 1)
    results = tmp_path / "results.ndjson"
    results.with_name("results.ndjson.part").write_bytes(b"half of them, of a run that died")
    done = bring_in(format_ndjson(rows), *FOR_ALL, "--results", str(results))
    assert done.exit_code == 3
    assert "29 accepted" in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("  row 2 · /subject/identifiers/0/number · ")
    assert line.endswith(" (invalid_identifier)")
    answers, trailer = read_results(results)
    assert [item["row"] for item in answers] == list(range(1, 31))
    assert [item["source_ref"] for item in answers] == read_references(rows)
    assert [item["outcome"] for item in answers].count("refused") == 1
    assert trailer == {"rows": 30, "state": "done", "complete": True}
    assert [path.name for path in tmp_path.glob("results*")] == ["results.ndjson"]
    before = results.read_bytes()
    again = bring_in(format_ndjson(rows), *FOR_ALL, "--results", str(results))
    assert (again.exit_code, again.stdout) == (1, "")
    assert "results.ndjson exists" in again.stderr
    assert results.read_bytes() == before
    require_recorded(registry, [item for item in read_references(rows) if item != "ROW-1"])


def test_an_import_does_not_say_thousands_of_refusals(bring_in: Run) -> None:
    rows = [row for serial in range(25) for row in spoilt(build_bodies([serial]), 0)]
    done = bring_in(format_ndjson(rows), *FOR_ALL)
    assert done.exit_code == 3
    assert len(done.stderr.splitlines()) == 21
    assert done.stderr.endswith("  …\n")


def test_an_import_that_records_nothing_ends_with_1(bring_in: Run, registry: Registry) -> None:
    whole = ["--commit", "all_or_nothing"]
    for content, options, said in (
        (b"", [], "文件中没有数据行"),
        (b"%PDF-1.7", [], "请提交表格"),
        (format_ndjson(spoilt(build_bodies(range(3)), 1)), whole, "整批均未登记"),
        (format_ndjson(build_bodies(range(3))), [*whole, "--rows", "4"], "rows"),
        (format_ndjson(build_bodies(range(3))), REPLACE, "?rows"),
        (format_ndjson(build_bodies(range(3))), ["--list-type", "nothing.black"], "?list_type"),
        (format_ndjson(build_bodies(range(3))), ["--department", "nobody"], "no department nobody"),
    ):
        done = bring_in(content, *FOR_ALL, *options)
        assert done.exit_code == 1, (options, done)
        assert said in done.stderr, (options, done)
    assert count_submissions_and_parts(registry)[0] == 4  # contradictory options leave nothing
    require_recorded(registry, [])


def test_an_import_that_was_not_whole_says_so_though_its_rows_stand(
    bring_in: Run, registry: Registry
) -> None:
    rows = build_bodies(range(4))
    done = bring_in(format_ndjson(rows), *FOR_ALL, "--rows", "5")
    assert (done.exit_code, "4 accepted" in done.stdout) == (1, True)
    assert "rows" in done.stderr
    stopped = bring_in(
        format_ndjson(spoilt(build_bodies(range(10, 14)), 1)), *FOR_ALL, "--on-error", "stop"
    )
    assert stopped.exit_code == 3
    assert ": stopped, 2 rows, 1 accepted, 0 replayed, 1 refused" in stopped.stdout
    require_recorded(registry, [*read_references(rows), "ROW-10"])


def test_an_import_may_be_tried_first(bring_in: Run, registry: Registry) -> None:
    assert bring_in(format_ndjson(build_bodies(range(3))), *FOR_ALL, "--dry-run").exit_code == 0
    done = bring_in(format_ndjson(spoilt(build_bodies(range(3)), 1)), *FOR_ALL, "--dry-run")
    assert done.exit_code == 3
    assert ": done, 3 rows, 2 accepted, 0 replayed, 1 refused" in done.stdout
    require_recorded(registry, [])


def test_an_import_that_removes_most_entries_waits_for_approval(
    bring_in: Run, registry: Registry
) -> None:
    rows = build_bodies(range(30))
    first = bring_in(format_ndjson(rows), *FOR_ALL, *REPLACE, "--rows", "30")
    assert first.exit_code == 0
    cut = bring_in(format_ndjson(rows[:5]), *FOR_ALL, *REPLACE, "--rows", "5")
    assert cut.exit_code == 4
    assert ": held, " in cut.stdout
    again = bring_in(format_ndjson(rows[:5]), *FOR_ALL, *REPLACE, "--rows", "5")
    assert again == cut  # the same submission, which waits
    require_recorded(registry, read_references(rows))


def test_an_import_takes_over_from_a_dead_worker(
    bring_in: Run, settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = build_bodies(range(3))
    change_tuning(registry.settings, submission_lease_seconds=1.5)
    wish = SubmissionOptions(list_type="wage_arrears.black", department="human_resources")
    upload = service.begin_upload(registry, COMMAND_LINE_CALLER, wish)
    upload.add(format_ndjson(rows))
    name = service.finish_upload(registry, upload, worker="another").id
    done = bring_in(format_ndjson(rows), *FOR_ALL)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{name}: done, 3 rows, 3 accepted")
    require_recorded(registry, read_references(rows))


def test_an_import_that_was_interrupted_goes_on_where_it_was(
    settings: Settings, registry: Registry, tmp_path: Path
) -> None:
    rows = build_bodies(range(2_000))
    tmp_path.joinpath("rows.ndjson").write_bytes(format_ndjson(rows))
    results = tmp_path / "results.ndjson"
    command = [REDBLACK_COMMAND, "import", "rows.ndjson", *FOR_ALL, "--results", str(results)]

    def started(errors: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env=build_environment(settings, **QUICK, TERM="xterm", COLUMNS="150"),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    with started(subprocess.PIPE) as process:
        begun = wait_for(lambda: read_newest_submission(registry), "an import")
        assert begun is not None
        read = wait_for_rows(registry, begun.id, 0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode not in {0, 3, 4}
        assert (out, "Traceback" in err) == ("", False)
    left = read_stored_submission(registry, begun.id)
    assert (left.state, left.leased_until) == (State.running, None)  # it released the submission

    with started(subprocess.DEVNULL) as process:
        wait_for_rows(registry, begun.id, max(read, left.rows_read))
        process.kill()
    left = read_stored_submission(registry, begun.id)
    assert left.leased_until is not None
    assert left.rows_read < len(rows)
    assert not results.exists()

    ours, theirs = pty.openpty()
    with started(theirs) as process:
        os.close(theirs)
        shown = read_terminal(ours)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    assert out.startswith(f"{begun.id}: done, {len(rows)} rows, {len(rows)} accepted")
    assert " accepted, 0 replayed, 0 refused" in shown  # with a progress bar
    answers, trailer = read_results(results)
    assert trailer["complete"]
    assert [item["row"] for item in answers] == list(range(1, len(rows) + 1))
    assert count_submissions_and_parts(registry)[0] == 1
    require_recorded(registry, read_references(rows))


def read_terminal(ours: int) -> str:
    shown = b""
    while True:
        try:
            shown += os.read(ours, 10_000)
        except OSError:  # no process has it any more
            os.close(ours)
            return shown.decode()


# --- push ------------------------------------------------------------------------


@pytest.fixture
def deliver(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Iterator[Run]:
    """Write a file and push it to the registry of a world."""
    monkeypatch.chdir(tmp_path)
    key = world.api().headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("REDBLACK_KEY", key)
    command = build_command_runner(world.registry.settings, monkeypatch, capsys)

    def run(content: bytes, *options: str, name: str = "rows.ndjson") -> CommandResult:
        tmp_path.joinpath(name).write_bytes(content)
        done = command("push", world.address, name, *options)
        assert "Traceback" not in done.stderr
        assert key not in done.stdout + done.stderr
        assert WRONG not in done.stdout + done.stderr
        return done

    yield run
    assert command.open_registries == []  # a client needs no registry of its own
    command.close()


def test_a_pushed_file_is_recorded_once(deliver: Run, world: World) -> None:
    rows = submission_files.build_rows(3)
    for counts in ("accepted 接受 3 · replayed 已有 0", "accepted 接受 0 · replayed 已有 3"):
        done = deliver(submission_files.format_ndjson(rows))
        row = read_newest_submission(world.registry)
        assert row is not None
        assert (done.exit_code, done.stderr) == (0, "")
        first, last = done.stdout.splitlines()
        assert first.startswith(f"submission {row.id} · done")
        assert f"rows 行 3 · {counts}" in last
    require_recorded(world.registry, read_references(rows))


def test_refused_rows_of_a_pushed_table_are_returned(
    deliver: Run, world: World, tmp_path: Path
) -> None:
    rows = spoilt(submission_files.build_rows(4), 2)
    table = submission_files.format_csv(
        [submission_files.build_cells(row) for row in rows], encoding="gb18030"
    )
    back = ["--results", "refused.ndjson", "--refused-workbook", "refused.xlsx"]
    done = deliver(table, "--list-type", submission_files.BLACK_LIST_TYPE, *back, name="rows.csv")
    assert done.exit_code == 3
    assert "row 4 · 统一社会信用代码 · " in done.stderr
    assert "1 of 4 rows were refused" in done.stderr
    [answer], trailer = read_results(tmp_path / "refused.ndjson")
    assert (answer["row"], answer["column"]) == (4, "统一社会信用代码")
    assert trailer["rows"] == 1
    for name in ("refused.ndjson", "refused.xlsx"):
        assert stat.S_IMODE(tmp_path.joinpath(name).stat().st_mode) == 0o600

    book = CalamineWorkbook.from_path(tmp_path / "refused.xlsx")
    cells = [cell for line in book.get_sheet_by_index(0).to_python() for cell in line]
    assert WRONG in cells
    assert rows[0]["source_ref"] not in cells
    again = deliver(table, "--list-type", submission_files.BLACK_LIST_TYPE, *back, name="rows.csv")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "exists" in again.stderr
    assert count_submissions_and_parts(world.registry)[0] == 1
    mended = tmp_path.joinpath("refused.xlsx").read_bytes()
    unmended = deliver(mended, "--list-type", submission_files.BLACK_LIST_TYPE, name="again.xlsx")
    assert unmended.exit_code == 3  # it is a file like any other
    require_recorded(world.registry, [row["source_ref"] for row in rows if row is not rows[2]])


def test_the_exit_code_of_a_push_tells_how_it_ended(deliver: Run, world: World) -> None:
    rows = submission_files.build_rows(30)
    replace = [
        "--mode",
        "replace",
        "--list-type",
        submission_files.BLACK_LIST_TYPE,
        "--reason",
        "全量报送",
    ]
    whole = ["--commit", "all_or_nothing"]
    file, bad = (
        submission_files.format_ndjson(rows),
        submission_files.format_ndjson(spoilt(submission_files.build_rows(3), 1)),
    )
    for content, options, code, said in (
        (b"%PDF-1.7", [], 1, "not_a_table"),
        (file, ["--department", "civil_affairs"], 1, "403"),
        (file, ["--dry-run"], 0, ""),
        (bad, ["--dry-run"], 3, "1 of 3 rows"),
        (bad, whole, 1, "rows_refused: Some rows were refused, so none was recorded; see"),
        (bad, ["--on-error", "stop", "--dry-run"], 3, "1 of 2 rows"),
        (file, [*whole, "--rows", "31"], 1, "row_count_differs"),
    ):
        done = deliver(content, *options)
        assert (done.exit_code, said in done.stderr) == (code, True), (options, done)
    require_recorded(world.registry, [])
    result = deliver(file, "--rows", "31")  # recorded unchanged, and reported as incomplete
    assert (result.exit_code, "row_count_differs" in result.stderr) == (1, True), result
    assert deliver(file, *replace, "--rows", "30").exit_code == 0
    held = deliver(submission_files.format_ndjson(rows[:5]), *replace, "--rows", "5")
    assert held.exit_code == 4
    assert "is held for a second person's approval until 2026-11-" in held.stderr
    require_recorded(world.registry, read_references(rows))


def test_a_key_that_is_none_is_said_at_once(
    deliver: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDBLACK_KEY", "rbk_nobody")
    done = deliver(b" " * 2_000_000)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "401" in done.stderr
    assert count_submissions_and_parts(world.registry) == (0, 0)


def test_a_push_sees_its_file_through_whatever_becomes_of_the_server(
    settings: Settings, registry: Registry, key: str, tmp_path: Path
) -> None:
    """Kill one during a direct answer; the next has half a file, then gets the file again."""
    rows = spoilt(build_bodies(range(1_500)), 1_400)
    refused = rows[1_400]["source_ref"]
    file = format_ndjson(rows)
    tmp_path.joinpath("rows.ndjson").write_bytes(file)
    port, results = find_free_port(), tmp_path / "results.ndjson"
    address = f"http://127.0.0.1:{port}"
    at_once = {**QUICK, "REDBLACK_SUBMISSION_AT_ONCE_BYTES": str(2 * len(file))}
    with serve_registry(settings, tmp_path, port=port, **at_once) as served:
        process = subprocess.Popen(
            [REDBLACK_COMMAND, "push", address, "rows.ndjson", "--results", str(results)],
            cwd=tmp_path,
            env=build_environment(REDBLACK_KEY=key),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun = wait_for(lambda: read_newest_submission(registry), "the push")
        assert begun is not None
        wait_for_rows(registry, begun.id, 0)
        assert find_worker_pids(served) == []
        served.kill()
    left = read_stored_submission(registry, begun.id)
    assert left.state == State.running
    assert 0 < left.rows_read < len(rows)
    with (
        process,
        serve_registry(settings, tmp_path, port=port, **at_once) as served,
        served.client(key) as client,
    ):
        out, err = process.communicate(timeout=60)
        first = wait_until_finished(client, str(begun.id))
        again = send_file(client, file)
    assert process.returncode == 3, err
    assert (first["state"], first["progress"]["accepted"]) == ("done", len(rows) - 1)
    assert f"rows 行 {len(rows):,}" in out.splitlines()[-1]
    assert "row 1401 · /subject/identifiers/0/number · " in err
    assert "Traceback" not in err
    [answer], _ = read_results(results)
    assert (answer["row"], answer["source_ref"]) == (1_401, refused)
    assert (again["progress"]["replayed"], again["progress"]["refused"]) == (len(rows) - 1, 1)
    assert [item["row"] for item in again["results"]] == list(range(1, len(rows) + 1))
    require_recorded(registry, [item for item in read_references(rows) if item != refused])
