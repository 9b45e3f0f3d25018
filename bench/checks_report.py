"""The table of `bench.checks`, and the results that are kept."""

import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from bench.features import FEATURES
from bench.goals import Goal, Key, compute_goals
from bench.machine import share_all_cores
from bench.measurements import CONNECTIONS, FEW_CONNECTIONS, Figures, compute_medians
from bench.report import MEGABYTE, format_or_dash, format_tenths, format_whole, print_table

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


def read_versions(other_versions: Mapping[str, str]) -> dict[str, str]:
    """Return the releases that were measured."""
    version_by_name = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    return version_by_name | {name: version(name) for name in LIBRARIES} | dict(other_versions)


def build_results(
    figures_by_key: Mapping[Key, Sequence[Figures]],
    release_by_name: Mapping[str, str],
    seconds: float,
) -> dict[str, Any]:
    """Build the results to keep: medians, ratios, and the single values of every round."""
    medians_by_key = {key: compute_medians(rounds) for key, rounds in figures_by_key.items()}
    return {
        "measured": [
            {
                "size": size,
                "work": work,
                "side": side,
                "median": _round_figures(medians_by_key[size, work, side]),
                "rounds": list(map(_round_figures, rounds)),
            }
            for (size, work, side), rounds in figures_by_key.items()
        ],
        "goals": [goal.to_dict() for goal in compute_goals(medians_by_key)],
        "features": FEATURES,
        "versions": dict(release_by_name),
        "cores": len(share_all_cores().server),
        "connections": {"ordinary": CONNECTIONS, "many": FEW_CONNECTIONS},
        "seconds": seconds,
        "rounds": max(map(len, figures_by_key.values()), default=0),
    }


def _round_figures(figures: Figures) -> dict[str, float]:
    return {name: round(value, 3) for name, value in asdict(figures).items() if value is not None}


def print_report(
    figures_by_key: Mapping[Key, Sequence[Figures]], import_goals: Sequence[Goal]
) -> None:
    """Print the table: each side as measured, and below it the ratios."""
    medians_by_key = {key: compute_medians(rounds) for key, rounds in figures_by_key.items()}
    goals = compute_goals(medians_by_key)
    lines = []
    for size in sorted({size for size, _, _ in figures_by_key}):
        lines.append([f"{size:,} entries", *[""] * (len(COLUMNS) - 1)])
        for work in TITLES:
            for key, figures in medians_by_key.items():
                if key[:2] == (size, work):
                    lines.append(_build_figures_line(key, figures))
                    lines += [_build_ratio_line(one) for one in goals if _read_goal_key(one) == key]
    for goal in import_goals:
        lines.append([f"{goal.size:,} imported", *[""] * (len(COLUMNS) - 1)])
        lines.append([TITLES["import"], goal.side, *[""] * (len(COLUMNS) - 2)])
        lines.append(_build_ratio_line(goal))
    rounds = max(map(len, figures_by_key.values()), default=0)
    print_table(
        f"Checks side by side, medians of {rounds} round(s)",
        COLUMNS,
        lines,
        NOTES,
        width=WIDTH,
        text_column_count=2,
    )


def _read_goal_key(goal: Goal) -> Key:
    return goal.size, goal.work, goal.side


def _build_figures_line(key: Key, figures: Figures) -> list[str]:
    return [
        f"  {TITLES[key[1]]}",
        key[2],
        format_whole(figures.rate),
        format_or_dash(figures.p50, format_tenths),
        format_or_dash(figures.p99, format_tenths),
        format_whole(figures.memory / MEGABYTE),
        format_whole(figures.errors),
        *[""] * 4,
    ]


def _build_ratio_line(goal: Goal) -> list[str]:
    value = f"{goal.value:.2f}" if goal.unit == "times" else f"{goal.value:.0f} {goal.unit}"
    values = [value, "" if goal.by_core is None else f"{goal.by_core:.2f}"]
    if goal.needed is None:
        return ["", f"  by {goal.against}", *[""] * 5, *values, "", ""]
    needed = f"{'≤' if goal.at_most else '≥'} {goal.needed:g}"
    reached = "yes" if goal.is_reached else "no"
    return ["", f"  by {goal.against}", *[""] * 5, *values, needed, reached]
