"""Checks: the registry beside its peers and the floors, as fast as each can.

    python -m bench.checks [--sizes N ...] [--rounds N] [--only WORK ...] [--databases NAME ...]

Each size is filled once for every side. Then all of them are up, and every round measures each of
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

from bench.checks_report import summed_up, tell, versions
from bench.comparing import Key, meanwhile
from bench.loading import client
from bench.machine import BenchError, end_on_termination
from bench.peers import pocketbase
from bench.report import RESULTS, held, keep, say
from bench.rows import today
from bench.sides import ASKS_POCKETBASE, WORKS, Wanted, filled, turns_of
from bench.turns import Figures, Turn

FEWEST = 1_000
"""Entries: a large check asks for 250 that are listed, and none twice."""
DATABASES = ("sqlite", "postgresql")

EXPORT_SECONDS = 300
"""Exports of a million entries take minutes: no further round of them once they took so long."""

Found = dict[Key, list[Figures]]
"""The figures of every round, by size, work and side."""


def measure(wanted: Wanted, rounds: int) -> tuple[Found, dict[str, str]]:
    """Every side in turn, as many rounds as asked for, size by size; and the releases measured."""
    found: Found = {}
    with filled(wanted) as sides, client() as asking:
        for size in wanted.sizes:
            with turns_of(sides, asking, size) as turns:
                _measure_all(turns, size, rounds, found)
        released = {} if sides.server is None else {"postgresql": sides.server.version()}
    if wanted.asks_pocketbase:
        released["pocketbase"] = pocketbase.version(wanted.pocketbase, wanted.home)
    return found, versions(released)


def _measure_all(turns: Sequence[Turn], size: int, rounds: int, found: Found) -> None:
    exporting = 0.0
    for number in range(1, rounds + 1):
        where, enough = f"{size:,} entries, round {number} of {rounds}", exporting > EXPORT_SECONDS
        if enough and any(turn.work == "export" for turn in turns):
            say(f"{where}: no export any more, for they took {exporting:.0f} seconds already")
        for turn in turns:
            if turn.work == "export" and enough:
                continue
            began = time.monotonic()
            figures = turn.measure(number)
            if turn.work == "export":
                exporting += time.monotonic() - began
            found.setdefault((size, turn.work, turn.side), []).append(figures)
            _say(where, turn, figures)


def _say(where: str, turn: Turn, figures: Figures) -> None:
    latency = "" if figures.p50 is None else f", p50 {figures.p50:.2f} ms, p99 {figures.p99:.2f} ms"
    cores = "" if figures.server_cores is None else f", {figures.server_cores:.2f} cores"
    wrong = f", {figures.errors} errors" if figures.errors else ""
    say(f"{where}: {turn.work}, {turn.side}: {figures.rate:,.0f} a second{latency}{cores}{wrong}")


def _asked() -> argparse.Namespace:
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
    """Measure, print the table and write the results; everything made meanwhile is gone then."""
    asked = _asked()
    if min(asked.sizes) < FEWEST:
        raise BenchError(f"at least {FEWEST} entries are needed")
    end_on_termination()
    works = frozenset(asked.only)
    home = Path(tempfile.mkdtemp(prefix="redblack-bench-"))
    # At the very end: PostgreSQL's package, imported later, writes a lock there as it leaves.
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)  # PostgreSQL may run as a user of its own
    wanted = Wanted(
        home=home,
        on=today(),
        works=works,
        databases=asked.databases,
        sizes=sorted(set(asked.sizes)),
        seconds=asked.seconds,
        pocketbase=pocketbase.find(asked.pocketbase) if works & ASKS_POCKETBASE else Path(),
    )
    found, released = measure(wanted, asked.rounds)
    keep("checks", summed_up(found, released, asked.seconds), asked.output)
    tell(found, meanwhile(held("submissions", asked.output) or {}))


if __name__ == "__main__":
    try:
        main()
    except (BenchError, KeyboardInterrupt) as ended:
        sys.exit(f"bench: {str(ended) or 'interrupted'}")
