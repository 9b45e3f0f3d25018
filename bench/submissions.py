"""Files of decisions: speed and memory of their import, and its effect on checks.

    python -m bench.submissions [--rows N] [--rounds N] [--only SIDE ...] [--large]

Every round measures each side once, one after the other, and the median of the rounds counts:

- the registry on SQLite and on PostgreSQL: a file of N decisions sent to `POST /v1/submissions`,
  the `redblack serve` with all its children on one core, PostgreSQL and the client on the others;
- PocketBase: the same facts through `POST /api/batch`, on the same one core, in the way that was
  fastest among several batch sizes and numbers of connections;
- checks: latency of `POST /v1/checks` at a fixed rate before, during and after an import of N
  decisions; all processes share all cores.

Rates are rows a second, memory and sizes bytes, latencies milliseconds.
"""

import argparse
import atexit
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import rows
from bench.machine import (
    BenchError,
    exit_on_sigterm,
    reserve_one_core,
    run_on_cores,
    share_all_cores,
    watch_memory,
)
from bench.paced_checks import (
    CONNECTIONS,
    QUESTIONS_PER_SECOND,
    CheckSchedule,
    PacedResults,
    run_paced_checks,
)
from bench.peers import pocketbase
from bench.registry import SentFile, ServedRegistry, send_file, serve_new_registry
from bench.report import (
    MEGABYTE,
    RESULTS,
    compute_ratio,
    format_or_dash,
    format_ratio,
    format_tenths,
    format_whole,
    print_progress,
    print_table,
    write_results,
)

SIDES = ("sqlite", "pocketbase", "postgresql", "checks")
REGISTRIES = ("sqlite", "postgresql")
LARGE_FILE_FACTOR = 4
"""The number of rows of a large file, as a multiple of the ordinary file."""
WARM_UP_ROWS = 500
"""Rows imported first, so that all code is loaded; checks ask about them."""
IDLE_SECONDS = 30
MAX_P99_RATIO = 5
"""The aim: the p99 of checks during an import, as a multiple of that of an idle registry."""

FEATURES = {
    "sqlite": [
        "every row admitted by law: list type, term, day, kind of subject, check digits",
        "subject found or made by its identifiers, and merged with what is known of it",
        "personal numbers sealed, found by a keyed blind index",
        "deadline of 7 working days by the State's calendar",
        "append-only version, change number and audit record of every entry in its transaction",
        "every row answered: outcome or all faults; the file is kept and can be reversed",
        "a death in the middle goes on where it stopped",
        "SQLite: WAL, synchronous = full",
    ],
    "postgresql": ["as on SQLite", "PostgreSQL with its settings as shipped: fsync on"],
    "pocketbase": [
        "fields of type text, date and JSON, required",
        "a unique index on the USCC",
        "each batch is a transaction; one bad record refuses its batch",
        "open rules: no token is looked at; log of requests off",
        "SQLite: WAL, synchronous = normal",
        "personal numbers in the clear; no history, no audit, no deadlines, no results by row",
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFigures:
    """One import; `rows_per_second` uses the time of the registry, `wall_…` that of the client."""

    rows_per_second: float
    wall_rows_per_second: float
    memory_above_idle: int
    database_bytes: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLatencies:
    """Latencies of checks in one round, in milliseconds, and the number of errors."""

    idle_p50: float
    idle_p99: float
    during_p50: float
    during_p99: float
    after_p50: float
    after_p99: float
    p99_ratio: float
    import_rows_per_second: float
    answers_during: int
    errors: int


@dataclass(frozen=True, slots=True)
class ImportBenchmark:
    """The parameters of the benchmark."""

    home: Path
    row_count: int
    pocketbase: Path

    def provide_file(self, first_serial: int, count: int) -> Path:
        """Provide a file of rows; the same rows make the same file, so it is written once."""
        path = self.home / f"{first_serial}-{count}.ndjson"
        return path if path.exists() else rows.write_rows(path, first_serial, count)

    def build_server_home(self, side: str) -> Path:
        """Create a separate folder for a server."""
        return self.home / f"{side}-{time.monotonic_ns()}"


# --- imports -------------------------------------------------------------


def measure_registry_import(bench: ImportBenchmark, database: str, count: int) -> ImportFigures:
    """Import one file into a new registry on one core."""
    share = reserve_one_core()
    file = bench.provide_file(WARM_UP_ROWS, count)
    with (
        serve_new_registry(bench.build_server_home(database), database, share) as registry,
        run_on_cores(share.others),
    ):
        _warm_up(bench, registry)
        with watch_memory(registry.pid) as memory:
            sent = send_file(registry, file, count)
        size = registry.measure_size()
    return ImportFigures(
        rows_per_second=count / sent.seconds,
        wall_rows_per_second=count / sent.wall_seconds,
        memory_above_idle=memory.bytes_above_idle,
        database_bytes=size,
        errors=sent.refused_rows,
    )


def _warm_up(bench: ImportBenchmark, registry: ServedRegistry) -> SentFile:
    sent = send_file(registry, bench.provide_file(0, WARM_UP_ROWS), WARM_UP_ROWS)
    if sent.refused_rows:
        raise BenchError(f"{sent.refused_rows} rows of {WARM_UP_ROWS} were refused")
    return sent


def measure_pocketbase_import(
    bench: ImportBenchmark, method: pocketbase.FillMethod
) -> ImportFigures:
    """Fill a new PocketBase on one core, in one way."""
    share = reserve_one_core()
    requests = pocketbase.build_batch_requests(bench.provide_file(WARM_UP_ROWS, bench.row_count))
    warm_up_requests = pocketbase.build_batch_requests(bench.provide_file(0, WARM_UP_ROWS))
    home = bench.build_server_home("pocketbase")
    with (
        pocketbase.serve_new(home, bench.pocketbase, share.server) as served,
        run_on_cores(share.others),
    ):
        pocketbase.fill_collection(served, warm_up_requests, method)
        with watch_memory(served.pid) as memory:
            result = pocketbase.fill_collection(served, requests, method)
        errors, size = (
            len(requests) + len(warm_up_requests) - served.count_records(),
            served.measure_size(),
        )
    rate = len(requests) / result.seconds
    return ImportFigures(
        rows_per_second=rate,
        wall_rows_per_second=rate,
        memory_above_idle=memory.bytes_above_idle,
        database_bytes=size,
        errors=errors,
    )


def find_best_method(bench: ImportBenchmark) -> tuple[pocketbase.FillMethod, dict[str, int]]:
    """Find the fastest way to fill PocketBase here; return the rate of each that was tried."""
    share = reserve_one_core()
    requests = pocketbase.build_batch_requests(bench.provide_file(0, pocketbase.TRIAL_RECORD_COUNT))
    home = bench.build_server_home("trials")
    with (
        pocketbase.serve_new(home, bench.pocketbase, share.server) as served,
        run_on_cores(share.others),
    ):
        return pocketbase.find_best_method(served, requests)


# --- checks --------------------------------------------------------------


def measure_checks(bench: ImportBenchmark, database: str) -> CheckLatencies:
    """Measure checks before, during and after an import; all processes share all cores."""
    file = bench.provide_file(WARM_UP_ROWS, bench.row_count)
    with serve_new_registry(
        bench.build_server_home(f"checks-{database}"), database, share_all_cores()
    ) as registry:
        _warm_up(bench, registry)
        schedule = CheckSchedule(registry.address, registry.approver_key, WARM_UP_ROWS)
        _run_checks_for(schedule, IDLE_SECONDS / 10)  # what is loaded once is loaded
        idle = _run_checks_for(schedule, IDLE_SECONDS)
        with run_paced_checks(schedule) as during:
            sent = send_file(registry, file, bench.row_count)
        after = _run_checks_for(schedule, IDLE_SECONDS)
    return CheckLatencies(
        idle_p50=idle.compute_percentile_ms(0.5),
        idle_p99=idle.compute_percentile_ms(0.99),
        during_p50=during.compute_percentile_ms(0.5),
        during_p99=during.compute_percentile_ms(0.99),
        after_p50=after.compute_percentile_ms(0.5),
        after_p99=after.compute_percentile_ms(0.99),
        p99_ratio=during.compute_percentile_ms(0.99) / idle.compute_percentile_ms(0.99),
        import_rows_per_second=bench.row_count / sent.wall_seconds,
        answers_during=len(during.latencies),
        errors=idle.errors + during.errors + after.errors + sent.refused_rows,
    )


def _run_checks_for(schedule: CheckSchedule, seconds: float) -> PacedResults:
    with run_paced_checks(schedule) as answers:
        time.sleep(seconds)
    return answers


# --- the whole -----------------------------------------------------------


def measure(
    bench: ImportBenchmark, sides: Sequence[str], rounds: int, *, large: bool
) -> dict[str, Any]:
    """Measure every side in turn; return the medians of the rounds."""
    method, rate_by_method = find_best_method(bench) if "pocketbase" in sides else (None, {})
    imports: dict[str, list[ImportFigures]] = {}
    checks: dict[str, list[CheckLatencies]] = {}
    for round_number in range(1, rounds + 1):
        for side in sides:
            print_progress(f"round {round_number} of {rounds}: {side}")
            if side == "checks":
                for database in REGISTRIES:
                    checks.setdefault(database, []).append(measure_checks(bench, database))
            elif side == "pocketbase" and method is not None:
                imports.setdefault(side, []).append(measure_pocketbase_import(bench, method))
            else:
                imports.setdefault(side, []).append(
                    measure_registry_import(bench, side, bench.row_count)
                )
    filled = {side: _compute_medians(found) for side, found in imports.items()}
    results = {
        "rows": bench.row_count,
        "row_bytes": _compute_row_bytes(bench),
        "rounds": rounds,
        "imports": filled,
        "ratios": _compute_ratios(filled),
        "checks": {database: _compute_medians(found) for database, found in checks.items()},
        "checks_a_second": QUESTIONS_PER_SECOND,
        "check_connections": CONNECTIONS,
        "features": FEATURES,
        "versions": _read_versions(bench, method is not None),
        "cores": len(share_all_cores().server),
    }
    if method is not None:
        results["pocketbase_way"] = asdict(method)
        results["pocketbase_tried"] = rate_by_method
    if large:
        results["large"] = _measure_large_file(bench, filled)
    return results


def _compute_medians(rounds: Sequence[Any]) -> dict[str, float]:
    """Compute the median of each figure by itself; errors are added up, never averaged away."""
    figures_of_rounds = [asdict(round_figures) for round_figures in rounds]
    figures = {
        name: round(median(one[name] for one in figures_of_rounds), 3)
        for name in figures_of_rounds[0]
    }
    return figures | {"errors": sum(one["errors"] for one in figures_of_rounds)}


def _compute_ratios(imports: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Compute the ratios of the registry to PocketBase: rates of the client, memory and size."""
    peer = imports.get("pocketbase", {})
    names = ("wall_rows_per_second", "memory_above_idle", "database_bytes")
    return {
        side: {name: compute_ratio(imports[side][name], peer.get(name)) for name in names}
        for side in REGISTRIES
        if side in imports
    }


def _measure_large_file(
    bench: ImportBenchmark, imports: dict[str, dict[str, float]]
) -> dict[str, float | None]:
    """Measure the same on SQLite with a file four times as large."""
    ordinary = imports.get("sqlite") or _compute_medians(
        [measure_registry_import(bench, "sqlite", bench.row_count)]
    )
    figures = measure_registry_import(bench, "sqlite", LARGE_FILE_FACTOR * bench.row_count)
    return _compute_medians([figures]) | {
        "rows": LARGE_FILE_FACTOR * bench.row_count,
        "file_bytes": bench.provide_file(WARM_UP_ROWS, LARGE_FILE_FACTOR * bench.row_count)
        .stat()
        .st_size,
        "memory_ratio": compute_ratio(figures.memory_above_idle, ordinary["memory_above_idle"]),
    }


def _compute_row_bytes(bench: ImportBenchmark) -> int:
    return bench.provide_file(WARM_UP_ROWS, bench.row_count).stat().st_size // bench.row_count


def _read_versions(bench: ImportBenchmark, is_peer_measured: bool) -> dict[str, str]:  # noqa: FBT001 - was it measured
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if is_peer_measured:
        versions["pocketbase"] = pocketbase.read_version(bench.pocketbase, bench.home)
    return versions


# --- reporting -----------------------------------------------------------


def print_report(results: dict[str, Any]) -> None:
    """Print the table."""
    columns = ("measured", "on SQLite", "on PostgreSQL", "PocketBase", "SQLite : PocketBase")
    lines = [
        *_build_import_lines(results),
        *_build_check_lines(results),
        *_build_large_lines(results),
    ]
    print_table(_format_title(results), columns, lines, _format_notes(results))


def _format_title(results: dict[str, Any]) -> str:
    return (
        f"{results['rows']:,} decisions of {results['row_bytes']} bytes in one NDJSON file,"
        f" medians of {results['rounds']} round(s)"
    )


def _build_import_lines(results: dict[str, Any]) -> list[list[str]]:
    """Build the lines of the imports: rates, memory, size and errors."""
    imports = results["imports"]
    ratios = results["ratios"].get("sqlite", {})
    figures = [
        ("rows/s, as the client sees it", "wall_rows_per_second", 1),
        ("rows/s, from received to finished", "rows_per_second", 1),
        ("peak memory above idle (PSS), MB", "memory_above_idle", MEGABYTE),
        ("database, MB", "database_bytes", MEGABYTE),
        ("errors", "errors", 1),
    ]
    return [
        [
            title,
            *(_format_cell(imports.get(side), name, unit) for side in (*REGISTRIES, "pocketbase")),
            format_or_dash(ratios.get(name), format_ratio),
        ]
        for title, name, unit in figures
    ]


def _format_cell(figures: dict[str, float] | None, name: str, unit: int) -> str:
    return "–" if figures is None else format_whole(figures[name] / unit)


def _build_check_lines(results: dict[str, Any]) -> list[list[str]]:
    checks = results["checks"]
    if not checks:
        return []
    lines = []
    for title, moment in (("idle", "idle"), ("during an import", "during"), ("after it", "after")):
        latencies = [
            f"{checks[database][f'{moment}_p50']:.1f} / {checks[database][f'{moment}_p99']:.1f}"
            for database in REGISTRIES
        ]
        lines.append([f"a check {title}, p50 / p99 ms", *latencies, "–", "–"])
    ratios = [format_ratio(checks[database]["p99_ratio"]) for database in REGISTRIES]
    lines.append([f"p99 during : idle (aim: at most {MAX_P99_RATIO})", *ratios, "–", "–"])
    rates = [format_whole(checks[database]["import_rows_per_second"]) for database in REGISTRIES]
    lines.append(["rows/s meanwhile, on every core", *rates, "–", "–"])
    errors = [format_whole(checks[database]["errors"]) for database in REGISTRIES]
    lines.append(["checks wrong or not answered", *errors, "–", "–"])
    return lines


def _build_large_lines(results: dict[str, Any]) -> list[list[str]]:
    large = results.get("large")
    if large is None:
        return []
    file = format_tenths(large["file_bytes"] / MEGABYTE)
    memory = format_whole(large["memory_above_idle"] / MEGABYTE)
    return [
        [f"peak memory for a file of {file} MB, MB", memory, "–", "–", "–"],
        [
            f"the same : that of {results['rows']:,} rows",
            format_or_dash(large["memory_ratio"], format_ratio),
            *"–––",
        ],
    ]


def _format_notes(results: dict[str, Any]) -> str:
    way = results.get("pocketbase_way")
    batches = (
        f" PocketBase: batches of {way['batch']}, {way['connections']} at once, its fastest of"
        f" {len(results['pocketbase_tried'])} ways."
        if way
        else ""
    )
    return (
        "Imports: the server with its children on one core; client and PostgreSQL on the others."
        f"{batches} Checks: {results['check_connections']} connections, together"
        f" {results['checks_a_second']:.0f} a second by timetable, every core for everybody."
        " What each side does with a row differs: see `features` in results.json."
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.submissions", description="Import benchmark")
    parser.add_argument("--rows", type=int, default=100_000, help="decisions in the file")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side is measured")
    parser.add_argument("--only", nargs="+", choices=SIDES, default=SIDES, help="these sides")
    parser.add_argument("--large", action="store_true", help="a file four times as large, too")
    parser.add_argument("--pocketbase", help="its command, where it is not in the environment")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file of results")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table and write the results; remove all temporary files."""
    arguments = _parse_arguments()
    exit_on_sigterm()
    needs_peer = "pocketbase" in arguments.only
    peer = pocketbase.find_executable(arguments.pocketbase) if needs_peer else Path()
    home = Path(tempfile.mkdtemp(prefix="redblack-bench-"))
    # At the very end: the package of PostgreSQL, imported later, writes a lock there as it leaves.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)  # PostgreSQL may run as a separate user
    results = measure(
        ImportBenchmark(home, arguments.rows, peer),
        arguments.only,
        arguments.rounds,
        large=arguments.large,
    )
    write_results("submissions", results, arguments.output)
    print_report(results)


if __name__ == "__main__":
    try:
        main()
    except (BenchError, KeyboardInterrupt) as ended:
        sys.exit(f"bench: {str(ended) or 'interrupted'}")
