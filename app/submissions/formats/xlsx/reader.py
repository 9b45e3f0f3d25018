"""Reading of XLSX workbooks, in a child process (parent's side).

A workbook is a compressed tree of XML from an untrusted sender: it may unpack to a thousand times
its size, and its parser holds the interpreter lock. So a child process reads it, with limits for
memory and time and without the registry's secrets; if it dies, only the file is refused. The file
and its rows pass through pipes and are never written to a disk, because they contain personal
numbers.

Parent to child: frames (a length of four bytes, then the content), an empty frame after the last
one of the file; then one frame with the index of the sheet and the number of its header row. Child
to parent: JSON lines: `["ready"]`, one `["preview", …]` per sheet, `["previews"]`, then
`[row, cells]`, and finally `["end"]`; `["refused", code]` can replace any of them. The child reads
the whole file before it sends more than "ready", so parent and child never wait for each other.

Frames are read and written here rather than by `multiprocessing.connection`, whose blocking reads
and writes allow no limit of time within a message and no call of `on_wait`.
"""

import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from app.errors import ProblemCode
from app.submissions.formats.cells import HEADER_SEARCH_ROWS, Cell
from app.submissions.formats.xlsx.encoded_cells import BLANK_CHARACTERS, decode_cell
from app.submissions.formats.xlsx.limits import DEFAULT_LIMITS, WorkbookLimits
from app.submissions.formats.xlsx.refusals import EXAMPLE_SHEET, build_refusal

CHILD_MODULE = "app.submissions.formats.xlsx.child"
POLL_SECONDS = 1.0

SheetRow = tuple[int, list[Cell]]
"""The number of a row as the spreadsheet shows it, and its cells from column A."""


def read_workbook(
    chunks: Iterable[bytes],
    *,
    is_header: Callable[[list[Cell]], bool],
    limits: WorkbookLimits = DEFAULT_LIMITS,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[SheetRow]:
    """Read the header row of the data sheet, then the rows below it that are not blank.

    The data sheet is the visible sheet with rows below a header row; if there is none, a visible
    sheet with a header row alone. `chunks` is iterated once, in the calling thread. `on_wait` is
    called about once a second while the child works.

    Raises:
        InvalidPayload: the workbook cannot be read, or has no data sheet or several, with one of
            the codes of `REFUSALS`. It may be raised between two rows.
        RuntimeError: the child process does not start.
    """
    with _start_child(limits, on_wait) as child:
        child.require_message("ready")
        child.send_file(chunks)
        previews: list[_SheetPreview] = []
        while (message := child.read_message())[0] == "preview":
            previews.append(_SheetPreview(*message[1:]))
        child.send_frame(json.dumps(_choose_data_sheet(previews, is_header)).encode())
        while (message := child.read_message())[0] != "end":
            yield message[0], message[1]


class _SheetPreview(NamedTuple):
    """The first rows of a sheet that are not blank, one more than may be the header."""

    sheet_index: int
    name: str
    is_visible: bool
    rows: list[tuple[int, list[Cell]]]


def _choose_data_sheet(
    previews: Iterable[_SheetPreview], is_header: Callable[[list[Cell]], bool]
) -> tuple[int, int]:
    """Return the index of the data sheet and the number of its header row."""
    filled: list[tuple[int, int]] = []
    empty: list[tuple[int, int]] = []
    for sheet, name, visible, rows in previews:
        places = (at for at, row in enumerate(rows[:HEADER_SEARCH_ROWS]) if is_header(row[1]))
        at = next(places, None)
        if at is None or name.strip(BLANK_CHARACTERS) == EXAMPLE_SHEET:
            continue
        has_rows_below = len(rows) > at + 1
        if has_rows_below and not visible:
            raise build_refusal(ProblemCode.hidden_sheet)
        if visible:
            (filled if has_rows_below else empty).append((sheet, rows[at][0]))
    if len(filled) > 1:
        raise build_refusal(ProblemCode.several_sheets)
    for found in filled or empty:
        return found
    raise build_refusal(ProblemCode.no_header_row)


@contextmanager
def _start_child(limits: WorkbookLimits, on_wait: Callable[[], None]) -> Iterator["_ReaderProcess"]:
    """Start the child; it is killed when the block ends."""
    # The child gets these variables only: no key file, no address of a database.
    passed_variables = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
    process = subprocess.Popen(  # noqa: S603 - our own module, no content of the file
        [sys.executable, "-m", CHILD_MODULE, json.dumps(asdict(limits))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # an error message may quote the file
        bufsize=0,
        cwd=Path(__file__).parents[4],
        env={name: os.environ[name] for name in passed_variables if name in os.environ},
    )
    try:
        yield _ReaderProcess(process, limits, on_wait)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()


class _ReaderProcess:
    """The parent's ends of the two pipes."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: WorkbookLimits, on_wait: Callable[[], None]
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input_pipe, self._output_pipe = process.stdin.fileno(), process.stdout.fileno()
        self._remaining_seconds, self._max_line_bytes = limits.wait_seconds, limits.line_bytes
        self._on_wait = on_wait
        os.set_blocking(self._input_pipe, False)
        self._lines = self._read_lines()

    def send_file(self, chunks: Iterable[bytes]) -> None:
        """Send the file; if the child has died, `read_message` raises."""
        try:
            for chunk in filter(None, chunks):
                self.send_frame(chunk)
            self.send_frame(b"")
        except BrokenPipeError:
            return

    def send_frame(self, chunk: bytes) -> None:
        """Send one frame."""
        for part in (struct.pack(">I", len(chunk)), chunk):
            remaining = memoryview(part)
            while remaining:
                self._wait_for_pipe(self._input_pipe, select.POLLOUT)
                remaining = remaining[os.write(self._input_pipe, remaining) :]

    def require_message(self, kind: str) -> None:
        """Wait for the message that shows that the child runs.

        Raises:
            RuntimeError: it does not start; the installation is at fault, not the file.
        """
        line = next(self._lines, None)
        if line is None or json.loads(line) != [kind]:
            raise RuntimeError("the process that reads workbooks does not start")

    def read_message(self) -> list[Any]:
        """Read the next message, with its cells decoded.

        Raises:
            InvalidPayload: the child refuses the file, or died while reading it.
        """
        line = next(self._lines, None)
        if line is None:
            raise build_refusal(
                ProblemCode.too_large_inside
                if self._was_killed()
                else ProblemCode.unreadable_workbook
            )
        message: list[Any] = json.loads(line, object_hook=decode_cell)
        if message[0] == "refused":
            raise build_refusal(message[1])
        return message

    def _was_killed(self) -> bool:
        """Return whether a limit (by a signal) ended the child, and not a failure (by a status)."""
        try:
            return self._process.wait(max(self._remaining_seconds, 0)) < 0
        except subprocess.TimeoutExpired:
            return True

    def _read_lines(self) -> Iterator[bytes]:
        rest = b""
        while True:
            self._wait_for_pipe(self._output_pipe, select.POLLIN)
            chunk = os.read(self._output_pipe, 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > self._max_line_bytes:
                raise build_refusal(ProblemCode.too_large_inside)

    def _wait_for_pipe(self, pipe: int, event: int) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        while self._remaining_seconds > 0:
            started_at = monotonic()
            ready = poll.poll(min(self._remaining_seconds, POLL_SECONDS) * 1000)
            self._remaining_seconds -= monotonic() - started_at
            if ready:
                return
            self._on_wait()
        raise build_refusal(ProblemCode.too_large_inside)
