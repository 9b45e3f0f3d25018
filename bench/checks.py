"""Checks: the registry compared with its peers and the floors, as fast as each can.

    python -m bench.checks [--sizes N ...] [--rounds N] [--only WORK ...] [--databases NAME ...]

Each size is filled once for every side. Then all sides are up, and every round measures each of
them once, one after the other; the medians of the rounds count. See bench/README.md.
"""

import argparse
import atexit
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.checks_report import build_results, print_report, read_versions
from bench.goals import Key, build_import_goals
from bench.load_client import run_client
from bench.machine import BenchError, exit_on_sigterm
from bench.measurements import Figures, Measurement
from bench.peers import pocketbase
from bench.report import RESULTS, print_progress, read_results, write_results
from bench.rows import compute_today
from bench.sides import WORKS, WORKS_WITH_POCKETBASE, BenchmarkPlan, fill_sides, serve_sides

MIN_ENTRIES = 1_000
"""Entries: a large check contains 250 listed subjects, each once."""
DATABASES = ("sqlite", "postgresql")

EXPORT_SECONDS = 300
"""Exports of a million entries take minutes: no further round of them after this much time."""

FiguresByKey = dict[Key, list[Figures]]
"""The figures of every round, by size, work and side."""


def measure(plan: BenchmarkPlan, rounds: int) -> tuple[FiguresByKey, dict[str, str]]:
    """Measure every side in turn, size by size; return the figures and the measured releases."""
    figures_by_key: FiguresByKey = {}
    with fill_sides(plan) as sides, run_client() as load_client:
        for size in plan.sizes:
            with serve_sides(sides, load_client, size) as turns:
                _measure_all(turns, size, rounds, figures_by_key)
        release_by_name = (
            {} if sides.server is None else {"postgresql": sides.server.read_version()}
        )
    if plan.uses_pocketbase:
        release_by_name["pocketbase"] = pocketbase.read_version(plan.pocketbase, plan.home)
    return figures_by_key, read_versions(release_by_name)


def _measure_all(
    measurements: Sequence[Measurement], size: int, rounds: int, figures_by_key: FiguresByKey
) -> None:
    export_seconds = 0.0
    for round_number in range(1, rounds + 1):
        position, skips_exports = (
            f"{size:,} entries, round {round_number} of {rounds}",
            export_seconds > EXPORT_SECONDS,
        )
        if skips_exports and any(turn.work == "export" for turn in measurements):
            print_progress(
                f"{position}: no more exports: they took {export_seconds:.0f} seconds already"
            )
        for measurement in measurements:
            if measurement.work == "export" and skips_exports:
                continue
            started = time.monotonic()
            figures = measurement.measure(round_number)
            if measurement.work == "export":
                export_seconds += time.monotonic() - started
            figures_by_key.setdefault((size, measurement.work, measurement.side), []).append(
                figures
            )
            _print_figures(position, measurement, figures)


def _print_figures(position: str, measurement: Measurement, figures: Figures) -> None:
    latency = "" if figures.p50 is None else f", p50 {figures.p50:.2f} ms, p99 {figures.p99:.2f} ms"
    cores = "" if figures.server_cores is None else f", {figures.server_cores:.2f} cores"
    wrong = f", {figures.errors} errors" if figures.errors else ""
    print_progress(
        f"{position}: {measurement.work}, {measurement.side}:"
        f" {figures.rate:,.0f} a second{latency}{cores}{wrong}"
    )


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.checks", description="Benchmark of checks")
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[100_000, 1_000_000], help="entries, at least 1000"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is measured")
    parser.add_argument("--seconds", type=float, default=4, help="how long each time")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=WORKS, help="these works")
    parser.add_argument("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    parser.add_argument("--pocketbase", help="its command, where it is not in the environment")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file of results")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table and write the results; remove all temporary files."""
    arguments = _parse_arguments()
    if min(arguments.sizes) < MIN_ENTRIES:
        raise BenchError(f"at least {MIN_ENTRIES} entries are needed")
    exit_on_sigterm()
    works = frozenset(arguments.only)
    home = Path(tempfile.mkdtemp(prefix="redblack-bench-"))
    # At the very end: the package of PostgreSQL, imported later, writes a lock there as it leaves.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)  # PostgreSQL may run as a separate user
    plan = BenchmarkPlan(
        home=home,
        day=compute_today(),
        works=works,
        databases=arguments.databases,
        sizes=sorted(set(arguments.sizes)),
        seconds=arguments.seconds,
        pocketbase=pocketbase.find_executable(arguments.pocketbase)
        if works & WORKS_WITH_POCKETBASE
        else Path(),
    )
    figures_by_key, release_by_name = measure(plan, arguments.rounds)
    write_results(
        "checks",
        build_results(figures_by_key, release_by_name, arguments.seconds),
        arguments.output,
    )
    print_report(
        figures_by_key, build_import_goals(read_results("submissions", arguments.output) or {})
    )


if __name__ == "__main__":
    try:
        main()
    except (BenchError, KeyboardInterrupt) as ended:
        sys.exit(f"bench: {str(ended) or 'interrupted'}")
