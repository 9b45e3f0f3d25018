"""Progress of a push on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Column

from app.client.http import remove_control_characters

PROGRESS_INTERVAL_SECONDS = 15.0
"""Seconds between two lines of progress if standard error is no terminal."""


class ProgressDisplay:
    """Progress on standard error: a bar on a terminal, otherwise a line at intervals."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._progress: Progress | None = None
        self._activity = ""
        self._last_shown_at = 0.0

    @contextmanager
    def show_bar(self, activity: str) -> Iterator[None]:
        """Show one piece of work from its beginning to its end."""
        self._activity, self._last_shown_at = activity, monotonic()
        if not self._is_terminal:
            yield
            return
        progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=12)),
            BarColumn(bar_width=12),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}", table_column=Column(ratio=1, overflow="fold")),
            expand=True,  # on a narrow terminal the words take a second line
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # what is printed there stays there
            redirect_stderr=False,
        )
        progress.add_task(activity, total=None, text="")
        try:
            with progress:
                self._progress = progress
                yield
        finally:
            self._progress = None

    def update(self, completed_share: float | None, text: str) -> None:
        """Show the completed share (1 at the end) if it is known, and a description."""
        if self._progress is not None:
            [task] = self._progress.task_ids
            total = None if completed_share is None else 1.0
            self._progress.update(task, total=total, completed=completed_share or 0.0, text=text)
        elif (
            not self._is_terminal and monotonic() - self._last_shown_at >= PROGRESS_INTERVAL_SECONDS
        ):
            self._last_shown_at = monotonic()
            self.print_line(f"{self._activity}: {text}")

    def print_line(self, text: str) -> None:
        """Print a line that stays."""
        line = f"redblack push: {remove_control_characters(text)}"
        if self._progress is not None:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(f"{line}\n")
