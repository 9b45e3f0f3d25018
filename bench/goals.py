"""Goals of the benchmark: the required ratios, and the measured ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.measurements import Figures
from bench.report import MEGABYTE
from bench.sides import ASGI, FASTAPI, POCKETBASE, REGISTRY_NAMES, TUTORIAL

Key = tuple[int, str, str]
"""Size, work and side."""
Medians = Mapping[Key, Figures]

SQLITE, POSTGRESQL = REGISTRY_NAMES["sqlite"], REGISTRY_NAMES["postgresql"]
EXPORT_COMMANDS = {SQLITE: "sqlite3", POSTGRESQL: "psql"}
MAX_EXPORT_MEMORY_BYTES = 32 * MEGABYTE
"""A server that grows by less during an export holds pages, and not the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A measured ratio and the required one; `aim` is a better value to aim for.

    Without a required value the ratio is only information.
    """

    size: int
    work: str
    side: str
    against: str
    value: float
    by_core: float | None = None
    """The same ratio by the processor time of each server (answers a second of it).

    Of growth: by the processor time that a check takes.
    """
    needed: float | None = None
    aim: float | None = None
    at_most: bool = False
    unit: str = "times"

    @property
    def is_reached(self) -> bool | None:
        """Return whether the required value is reached; None if no value is required."""
        if self.needed is None:
            return None
        return self.value <= self.needed if self.at_most else self.value >= self.needed

    def to_dict(self) -> dict[str, Any]:
        """Return the goal as it is written to the results."""
        return {
            "size": self.size,
            "work": self.work,
            "side": self.side,
            "against": self.against,
            "value": round(self.value, 3),
            "by_core": None if self.by_core is None else round(self.by_core, 3),
            "needed": self.needed,
            "aim": self.aim,
            "at_most": self.at_most,
            "unit": self.unit,
            "reached": self.is_reached,
        }


def compute_goals(medians: Medians) -> list[Goal]:
    """Compute every ratio for which both sides were measured."""
    sizes = sorted({size for size, _, _ in medians})
    return [
        goal
        for size in sizes
        for build_goals in GOAL_BUILDERS
        for goal in build_goals(medians, size)
    ]


def build_import_goals(submissions: Mapping[str, Any]) -> list[Goal]:
    """Build the goals of checks during an import from the results of `bench.submissions`."""
    return [
        Goal(
            size=submissions["rows"],
            work="import",
            side=REGISTRY_NAMES[database],
            against="idle: p99 of a check",
            value=checks["p99_ratio"],
            needed=5,
            at_most=True,
        )
        for database, checks in submissions.get("checks", {}).items()
    ]


def _build_rate_comparison(
    work: str,
    side: str,
    against: str,
    needed: float | None = None,
    *,
    aim: float | None = None,
    against_work: str = "",
) -> Callable[[Medians, int], list[Goal]]:
    """Build the ratio of two rates."""

    def build_goals(medians: Medians, size: int) -> list[Goal]:
        ours = medians.get((size, work, side))
        theirs = medians.get((size, against_work or work, against))
        if ours is None or theirs is None:
            return []
        by_core = None
        if ours.rate_by_server_core and theirs.rate_by_server_core:
            by_core = ours.rate_by_server_core / theirs.rate_by_server_core
        return [
            Goal(
                size=size,
                work=work,
                side=side,
                against=against,
                value=ours.rate / theirs.rate,
                by_core=by_core,
                needed=needed,
                aim=aim,
            )
        ]

    return build_goals


def _build_growth_comparison(side: str) -> Callable[[Medians, int], list[Goal]]:
    """Build the ratio of the time of a check on the largest registry to that on a small one."""

    def build_goals(medians: Medians, size: int) -> list[Goal]:
        large, small = medians.get((size, "check", side)), medians.get((size, "growth", side))
        if large is None or small is None or large.p50 is None or not small.p50:
            return []
        by_core = None
        if large.rate_by_server_core and small.rate_by_server_core:
            by_core = small.rate_by_server_core / large.rate_by_server_core
        return [
            Goal(
                size=size,
                work="growth",
                side=side,
                against="10,000 entries: p50",
                value=large.p50 / small.p50,
                by_core=by_core,
                needed=1.3,
                at_most=True,
            )
        ]

    return build_goals


def _build_memory_comparison(side: str) -> Callable[[Medians, int], list[Goal]]:
    """Build the goal that an export's server holds pages, and not the whole."""

    def build_goals(medians: Medians, size: int) -> list[Goal]:
        export = medians.get((size, "export", side))
        if export is None or export.memory_above_idle is None:
            return []
        return [
            Goal(
                size=size,
                work="export",
                side=side,
                against="itself idle: memory above",
                value=export.memory_above_idle / MEGABYTE,
                needed=MAX_EXPORT_MEMORY_BYTES / MEGABYTE,
                at_most=True,
                unit="MB",
            )
        ]

    return build_goals


def _compare_workers(medians: Medians, size: int) -> list[Goal]:
    """Compare two workers with one: by the processor time of the server, and by raw rates.

    On two cores the client and the database take a part of what two workers would have; one worker
    has a core for itself. Each is therefore compared by the processor time that it had: answers a
    second of two whole cores by those of one.
    """
    one, two = medians.get((size, "check", POSTGRESQL)), medians.get((size, "workers", POSTGRESQL))
    if one is None or two is None or not one.rate_by_server_core or not two.rate_by_server_core:
        return []
    ratio_by_core = 2 * two.rate_by_server_core / one.rate_by_server_core
    goal_by_core = Goal(
        size=size,
        work="workers",
        side=POSTGRESQL,
        against="one worker, a core for a core",
        value=ratio_by_core,
        needed=1.6,
    )
    raw_ratio = two.rate / one.rate
    return [
        replace(goal_by_core, against="one worker, as they come", value=raw_ratio, needed=None),
        goal_by_core,
    ]


GOAL_BUILDERS: Sequence[Callable[[Medians, int], list[Goal]]] = (
    _build_rate_comparison("check", SQLITE, POCKETBASE, 1.5, aim=2),
    _build_rate_comparison("check", POSTGRESQL, TUTORIAL, 2),
    _build_rate_comparison("check", SQLITE, FASTAPI),
    _build_rate_comparison("check", SQLITE, ASGI),
    _build_rate_comparison("check", POSTGRESQL, FASTAPI),
    _build_rate_comparison("check", POSTGRESQL, ASGI),
    _build_rate_comparison("many", SQLITE, POCKETBASE, 20, aim=40, against_work="check"),
    _build_rate_comparison("many", POSTGRESQL, POCKETBASE, 20, aim=40, against_work="check"),
    _build_rate_comparison("subject", SQLITE, FASTAPI, 0.6),
    _build_rate_comparison("subject", POSTGRESQL, FASTAPI, 0.6),
    _build_rate_comparison("export", SQLITE, EXPORT_COMMANDS[SQLITE], 0.5),
    _build_rate_comparison("export", POSTGRESQL, EXPORT_COMMANDS[POSTGRESQL], 0.5),
    _build_memory_comparison(SQLITE),
    _build_memory_comparison(POSTGRESQL),
    _build_growth_comparison(SQLITE),
    _build_growth_comparison(POSTGRESQL),
    _compare_workers,
)
