"""One table for people, one file for comparing runs.

`results.json` contains nothing of the machine except its number of cores: no name, no path, no day.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")
MEGABYTE = 1_000_000


def print_table(
    title: str,
    columns: Sequence[str],
    lines: Sequence[Sequence[str]],
    notes: str,
    *,
    width: int = 110,
    text_column_count: int = 1,
) -> None:
    """Print one table, and below it the notes that explain it.

    The first `texts` columns contain words, the others figures.
    """
    table = Table(title=title, title_justify="left", caption=notes, caption_justify="left")
    wrapped = text_column_count == 1  # a second column of words leaves the first no room to share
    table.add_column(columns[0], ratio=2 if wrapped else None, no_wrap=not wrapped)
    for place, column in enumerate(columns[1:], start=1):
        table.add_column(
            column, justify="left" if place < text_column_count else "right", no_wrap=True
        )
    for line in lines:
        table.add_row(*line)
    Console(width=width).print(table)


def print_progress(message: str) -> None:
    """Print the current step to standard error, because runs take minutes."""
    Console(stderr=True).print(message, highlight=False, soft_wrap=True)


def write_results(part: str, results: dict[str, Any], file: Path = RESULTS) -> None:
    """Write the results of one part, and keep those of the others."""
    parts = orjson.loads(file.read_bytes()) if file.exists() else {}
    parts[part] = results
    style = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    file.write_bytes(orjson.dumps(parts, option=style))


def read_results(part: str, file: Path = RESULTS) -> dict[str, Any] | None:
    """Read the results of one part, if it has run."""
    parts: dict[str, dict[str, Any]] = orjson.loads(file.read_bytes()) if file.exists() else {}
    return parts.get(part)


def format_or_dash(value: float | None, formatter: Callable[[float], str]) -> str:
    """Format a figure; a dash if there is none."""
    return "–" if value is None else formatter(value)


def format_whole(value: float) -> str:
    """Format a number without decimals, with thousands separators."""
    return f"{value:,.0f}"


def format_tenths(value: float) -> str:
    """Format a number with one decimal."""
    return f"{value:,.1f}"


def format_ratio(value: float) -> str:
    """Format a ratio."""
    return f"x {value:.2f}"


def compute_ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Divide one figure by another; None if one was not measured or is zero."""
    return None if numerator is None or not denominator else round(numerator / denominator, 3)
