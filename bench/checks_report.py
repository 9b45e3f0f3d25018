"""The one table of `bench.checks`, and what is kept of it."""

import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from bench.comparing import Goal, Key, goals
from bench.features import FEATURES
from bench.machine import every_core
from bench.report import MEGABYTE, show, tenths, told, whole
from bench.turns import CONNECTIONS, FEW_CONNECTIONS, Figures, medians

TITLES = {
    "check": "check",
    "many": "500 subjects",
    "subject": "subject",
    "export": "export",
    "growth": "of 10,000",
    "workers": "two workers",
    "import": "during import",
}
COLUMNS = (
    "work",
    "side",
    "a second",
    "p50 ms",
    "p99 ms",
    "MB",
    "errors",
    "ratio",
    "by core",
    "needed",
    "reached",
)
WIDTH = 140
NOTES = (
    "The server with its children on one core; the client, and PostgreSQL's own processes, on the"
    f" others. {CONNECTIONS} connections kept alive, each with one request under way"
    f" ({FEW_CONNECTIONS} for checks of 500). MB: the most that the server with its children held"
    " (PSS). By core: the same of what each server gives for a second of processor time of its own,"
    " which holds where others were at work on its core. What each side does for an answer differs:"
    " see `features` in results.json."
)
LIBRARIES = ("asyncpg", "fastapi", "httptools", "psycopg", "sqlalchemy", "uvicorn", "uvloop")


def versions(further: Mapping[str, str]) -> dict[str, str]:
    """The releases that were measured."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return found | {name: version(name) for name in LIBRARIES} | dict(further)


def summed_up(
    found: Mapping[Key, Sequence[Figures]], released: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """What is kept: medians, ratios, and the single values of every round."""
    middles = {key: medians(rounds) for key, rounds in found.items()}
    return {
        "measured": [
            {
                "size": size,
                "work": work,
                "side": side,
                "median": _rounded(middles[size, work, side]),
                "rounds": list(map(_rounded, rounds)),
            }
            for (size, work, side), rounds in found.items()
        ],
        "goals": [goal.told() for goal in goals(middles)],
        "features": FEATURES,
        "versions": dict(released),
        "cores": len(every_core().server),
        "connections": {"ordinary": CONNECTIONS, "many": FEW_CONNECTIONS},
        "seconds": seconds,
        "rounds": max(map(len, found.values()), default=0),
    }


def _rounded(figures: Figures) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(figures).items() if value is not None}


def tell(found: Mapping[Key, Sequence[Figures]], imports: Sequence[Goal]) -> None:
    """Print the table: each side as it was measured, and below it what its ratios are."""
    middles = {key: medians(rounds) for key, rounds in found.items()}
    reached = goals(middles)
    lines = []
    for size in sorted({size for size, _, _ in found}):
        lines.append([f"{size:,} entries", *[""] * (len(COLUMNS) - 1)])
        for work in TITLES:
            for key, figures in middles.items():
                if key[:2] == (size, work):
                    lines.append(_measured(key, figures))
                    lines += [_ratio(one) for one in reached if _key(one) == key]
    for goal in imports:
        lines.append([f"{goal.size:,} imported", *[""] * (len(COLUMNS) - 1)])
        lines.append([TITLES["import"], goal.side, *[""] * (len(COLUMNS) - 2)])
        lines.append(_ratio(goal))
    rounds = max(map(len, found.values()), default=0)
    show(
        f"Checks side by side, medians of {rounds} round(s)",
        COLUMNS,
        lines,
        NOTES,
        width=WIDTH,
        texts=2,
    )


def _key(goal: Goal) -> Key:
    return goal.size, goal.work, goal.side


def _measured(key: Key, figures: Figures) -> list[str]:
    return [
        f"  {TITLES[key[1]]}",
        key[2],
        whole(figures.rate),
        told(figures.p50, tenths),
        told(figures.p99, tenths),
        whole(figures.memory / MEGABYTE),
        whole(figures.errors),
        *[""] * 4,
    ]


def _ratio(goal: Goal) -> list[str]:
    value = f"{goal.value:.2f}" if goal.unit == "times" else f"{goal.value:.0f} {goal.unit}"
    values = [value, "" if goal.by_core is None else f"{goal.by_core:.2f}"]
    if goal.needed is None:
        return ["", f"  by {goal.against}", *[""] * 5, *values, "", ""]
    needed = f"{'≤' if goal.at_most else '≥'} {goal.needed:g}"
    reached = "yes" if goal.reached else "no"
    return ["", f"  by {goal.against}", *[""] * 5, *values, needed, reached]
