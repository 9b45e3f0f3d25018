"""Files of decisions: how fast they are imported, in how much memory, and what checks feel of it.

    python -m bench.submissions [--rows N] [--rounds N] [--only SIDE ...] [--large]

Every round measures each side once, one after the other, and the median of the rounds counts:

- the registry on SQLite and on PostgreSQL: a file of N decisions sent to `POST /v1/submissions`,
  the `redblack serve` with all its children on one core, PostgreSQL and the client on the others;
- PocketBase: the same facts through `POST /api/batch`, on the same one core, in the way that was
  fastest among several batch sizes and numbers of connections;
- checks: latency of `POST /v1/checks` at a fixed rate while nothing else goes on, while N decisions
  are imported, and after that, with every core for everybody.

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
from bench.asking import A_SECOND, CONNECTIONS, Answers, Timetable, asking
from bench.machine import (
    BenchError,
    end_on_termination,
    every_core,
    one_core,
    running_on,
    watched,
)
from bench.peers import pocketbase
from bench.registry import Sent, Served, send, serving
from bench.report import MEGABYTE, RESULTS, keep, ratio, say, show, tenths, times, told, whole

SIDES = ("sqlite", "pocketbase", "postgresql", "checks")
REGISTRIES = ("sqlite", "postgresql")
LARGE = 4
"""How many times the rows of the ordinary file a large one has."""
WARM_ROWS = 500
"""Imported first, so that what is loaded once is loaded; and what checks ask about."""
IDLE_SECONDS = 30
TOLD_APART = 5
"""The aim: a check's p99 during an import is at most so many times that of an idle registry."""

FEATURES = {
    "sqlite": [
        "every row admitted by law: list type, term, day, kind of subject, check digits",
        "subject found or made by its identifiers, and merged with what is known of it",
        "personal numbers sealed, found by a keyed blind index",
        "deadline of 7 working days by the State's calendar",
        "append-only version, change number and audit record of every entry in its transaction",
        "every row told: an outcome, or all of its faults; the file is kept and may be taken back",
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
class Filled:
    """One import; the registry's own account of its time is `seconds`, the client's `wall`."""

    rows_per_second: float
    wall_rows_per_second: float
    memory_above_idle: int
    database_bytes: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """What checks took in one round, milliseconds; and how many were wrong or not answered."""

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
class Bench:
    """What is asked for, and where it happens."""

    home: Path
    rows: int
    pocketbase: Path

    def file(self, first: int, count: int) -> Path:
        """A file of rows; the same rows make the same file, so it is written once."""
        named = self.home / f"{first}-{count}.ndjson"
        return named if named.exists() else rows.write(named, first, count)

    def place(self, side: str) -> Path:
        """A folder of its own for a server."""
        return self.home / f"{side}-{time.monotonic_ns()}"


# --- imports -------------------------------------------------------------


def fill_registry(bench: Bench, database: str, count: int) -> Filled:
    """Import one file into a new registry on one core."""
    share = one_core()
    file = bench.file(WARM_ROWS, count)
    with serving(bench.place(database), database, share) as registry, running_on(share.others):
        _warm(bench, registry)
        with watched(registry.pid) as memory:
            sent = send(registry, file, count)
        size = registry.size()
    return Filled(
        rows_per_second=count / sent.seconds,
        wall_rows_per_second=count / sent.wall_seconds,
        memory_above_idle=memory.above_idle,
        database_bytes=size,
        errors=sent.errors,
    )


def _warm(bench: Bench, registry: Served) -> Sent:
    warm = send(registry, bench.file(0, WARM_ROWS), WARM_ROWS)
    if warm.errors:
        raise BenchError(f"{warm.errors} rows of {WARM_ROWS} were refused")
    return warm


def fill_pocketbase(bench: Bench, way: pocketbase.Way) -> Filled:
    """Fill a new PocketBase on one core, in one way."""
    share = one_core()
    wanted = pocketbase.requests(bench.file(WARM_ROWS, bench.rows))
    warm = pocketbase.requests(bench.file(0, WARM_ROWS))
    home = bench.place("pocketbase")
    with (
        pocketbase.serving(home, bench.pocketbase, share.server) as served,
        running_on(share.others),
    ):
        pocketbase.fill(served, warm, way)
        with watched(served.pid) as memory:
            filling = pocketbase.fill(served, wanted, way)
        errors, size = len(wanted) + len(warm) - served.held(), served.size()
    rate = len(wanted) / filling.seconds
    return Filled(
        rows_per_second=rate,
        wall_rows_per_second=rate,
        memory_above_idle=memory.above_idle,
        database_bytes=size,
        errors=errors,
    )


def best_way(bench: Bench) -> tuple[pocketbase.Way, dict[str, int]]:
    """The fastest way to fill PocketBase here, and the rate of each that was tried."""
    share = one_core()
    wanted = pocketbase.requests(bench.file(0, pocketbase.TRIALS))
    home = bench.place("trials")
    with (
        pocketbase.serving(home, bench.pocketbase, share.server) as served,
        running_on(share.others),
    ):
        return pocketbase.best_way(served, wanted)


# --- checks --------------------------------------------------------------


def feel(bench: Bench, database: str) -> Latencies:
    """Ask before, during and after an import, with every core for everybody."""
    file = bench.file(WARM_ROWS, bench.rows)
    with serving(bench.place(f"checks-{database}"), database, every_core()) as registry:
        _warm(bench, registry)
        timetable = Timetable(registry.address, registry.approver_key, WARM_ROWS)
        _ask_for(timetable, IDLE_SECONDS / 10)  # what is loaded once is loaded
        idle = _ask_for(timetable, IDLE_SECONDS)
        with asking(timetable) as during:
            sent = send(registry, file, bench.rows)
        after = _ask_for(timetable, IDLE_SECONDS)
    return Latencies(
        idle_p50=idle.percentile(0.5),
        idle_p99=idle.percentile(0.99),
        during_p50=during.percentile(0.5),
        during_p99=during.percentile(0.99),
        after_p50=after.percentile(0.5),
        after_p99=after.percentile(0.99),
        p99_ratio=during.percentile(0.99) / idle.percentile(0.99),
        import_rows_per_second=bench.rows / sent.wall_seconds,
        answers_during=len(during.latencies),
        errors=idle.errors + during.errors + after.errors + sent.errors,
    )


def _ask_for(timetable: Timetable, seconds: float) -> Answers:
    with asking(timetable) as answers:
        time.sleep(seconds)
    return answers


# --- the whole -----------------------------------------------------------


def measure(bench: Bench, sides: Sequence[str], rounds: int, *, large: bool) -> dict[str, Any]:
    """Every side in turn, as many rounds as asked for; the medians."""
    way, tried = best_way(bench) if "pocketbase" in sides else (None, {})
    imports: dict[str, list[Filled]] = {}
    checks: dict[str, list[Latencies]] = {}
    for turn in range(1, rounds + 1):
        for side in sides:
            say(f"round {turn} of {rounds}: {side}")
            if side == "checks":
                for database in REGISTRIES:
                    checks.setdefault(database, []).append(feel(bench, database))
            elif side == "pocketbase" and way is not None:
                imports.setdefault(side, []).append(fill_pocketbase(bench, way))
            else:
                imports.setdefault(side, []).append(fill_registry(bench, side, bench.rows))
    filled = {side: _median(found) for side, found in imports.items()}
    results = {
        "rows": bench.rows,
        "row_bytes": _row_bytes(bench),
        "rounds": rounds,
        "imports": filled,
        "ratios": _ratios(filled),
        "checks": {database: _median(found) for database, found in checks.items()},
        "checks_a_second": A_SECOND,
        "check_connections": CONNECTIONS,
        "features": FEATURES,
        "versions": _versions(bench, way is not None),
        "cores": len(every_core().server),
    }
    if way is not None:
        results["pocketbase_way"] = asdict(way)
        results["pocketbase_tried"] = tried
    if large:
        results["large"] = _large(bench, filled)
    return results


def _median(found: Sequence[Any]) -> dict[str, float]:
    """The median of each figure by itself; errors are added up, never averaged away."""
    told = [asdict(one) for one in found]
    figures = {name: round(median(one[name] for one in told), 3) for name in told[0]}
    return figures | {"errors": sum(one["errors"] for one in told)}


def _ratios(filled: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """The registry by PocketBase: rates as the client sees them, memory and size."""
    peer = filled.get("pocketbase", {})
    names = ("wall_rows_per_second", "memory_above_idle", "database_bytes")
    return {
        side: {name: ratio(filled[side][name], peer.get(name)) for name in names}
        for side in REGISTRIES
        if side in filled
    }


def _large(bench: Bench, filled: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """The same on SQLite with a file four times as large: does memory grow with the file?"""
    ordinary = filled.get("sqlite") or _median([fill_registry(bench, "sqlite", bench.rows)])
    found = fill_registry(bench, "sqlite", LARGE * bench.rows)
    return _median([found]) | {
        "rows": LARGE * bench.rows,
        "file_bytes": bench.file(WARM_ROWS, LARGE * bench.rows).stat().st_size,
        "memory_ratio": ratio(found.memory_above_idle, ordinary["memory_above_idle"]),
    }


def _row_bytes(bench: Bench) -> int:
    return bench.file(WARM_ROWS, bench.rows).stat().st_size // bench.rows


def _versions(bench: Bench, peer: bool) -> dict[str, str]:  # noqa: FBT001 - was it measured
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if peer:
        found["pocketbase"] = pocketbase.version(bench.pocketbase, bench.home)
    return found


# --- telling -------------------------------------------------------------


def tell(results: dict[str, Any]) -> None:
    """Print the table."""
    columns = ("measured", "on SQLite", "on PostgreSQL", "PocketBase", "SQLite : PocketBase")
    lines = [*_import_lines(results), *_check_lines(results), *_large_lines(results)]
    show(_title(results), columns, lines, _notes(results))


def _title(results: dict[str, Any]) -> str:
    return (
        f"{results['rows']:,} decisions of {results['row_bytes']} bytes in one NDJSON file,"
        f" medians of {results['rounds']} round(s)"
    )


def _import_lines(results: dict[str, Any]) -> list[list[str]]:
    """What is told of each import: rates, memory, size and errors."""
    filled = results["imports"]
    by_pocketbase = results["ratios"].get("sqlite", {})
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
            *(_cell(filled.get(side), name, unit) for side in (*REGISTRIES, "pocketbase")),
            told(by_pocketbase.get(name), times),
        ]
        for title, name, unit in figures
    ]


def _cell(figures: dict[str, float] | None, name: str, unit: int) -> str:
    return "–" if figures is None else whole(figures[name] / unit)


def _check_lines(results: dict[str, Any]) -> list[list[str]]:
    checks = results["checks"]
    if not checks:
        return []
    lines = []
    for title, moment in (("idle", "idle"), ("during an import", "during"), ("after it", "after")):
        told_of = [
            f"{checks[database][f'{moment}_p50']:.1f} / {checks[database][f'{moment}_p99']:.1f}"
            for database in REGISTRIES
        ]
        lines.append([f"a check {title}, p50 / p99 ms", *told_of, "–", "–"])
    ratios = [times(checks[database]["p99_ratio"]) for database in REGISTRIES]
    lines.append([f"p99 during : idle (aim: at most {TOLD_APART})", *ratios, "–", "–"])
    rates = [whole(checks[database]["import_rows_per_second"]) for database in REGISTRIES]
    lines.append(["rows/s meanwhile, on every core", *rates, "–", "–"])
    errors = [whole(checks[database]["errors"]) for database in REGISTRIES]
    lines.append(["checks wrong or not answered", *errors, "–", "–"])
    return lines


def _large_lines(results: dict[str, Any]) -> list[list[str]]:
    large = results.get("large")
    if large is None:
        return []
    file = tenths(large["file_bytes"] / MEGABYTE)
    memory = whole(large["memory_above_idle"] / MEGABYTE)
    return [
        [f"peak memory for a file of {file} MB, MB", memory, "–", "–", "–"],
        [
            f"the same : that of {results['rows']:,} rows",
            told(large["memory_ratio"], times),
            *"–––",
        ],
    ]


def _notes(results: dict[str, Any]) -> str:
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


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.submissions", description="Import benchmark")
    parser.add_argument("--rows", type=int, default=100_000, help="decisions in the file")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side is measured")
    parser.add_argument("--only", nargs="+", choices=SIDES, default=SIDES, help="these sides")
    parser.add_argument("--large", action="store_true", help="a file four times as large, too")
    parser.add_argument("--pocketbase", help="its command, where it is not in the environment")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file of results")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table and write the results; everything made meanwhile is gone then."""
    asked = _asked()
    end_on_termination()
    needs_peer = "pocketbase" in asked.only
    peer = pocketbase.find(asked.pocketbase) if needs_peer else Path()
    home = Path(tempfile.mkdtemp(prefix="redblack-bench-"))
    # At the very end: PostgreSQL's package, imported later, writes a lock there as it leaves.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)  # PostgreSQL may run as a user of its own
    results = measure(Bench(home, asked.rows, peer), asked.only, asked.rounds, large=asked.large)
    keep("submissions", results, asked.output)
    tell(results)


if __name__ == "__main__":
    try:
        main()
    except (BenchError, KeyboardInterrupt) as ended:
        sys.exit(f"bench: {str(ended) or 'interrupted'}")
