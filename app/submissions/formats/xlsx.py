"""XLSX workbooks, read in a process of their own.

A workbook is a packed tree of XML that a stranger wrote: it may unpack to a thousand times its
size, and whoever reads it holds the interpreter meanwhile. So a child process reads it, with little
memory, little time and none of the registry's secrets; when it dies, only the file is refused. The
file and its rows pass through pipes and are never written to a disk, for they hold personal
numbers.

Parent to child: frames (four bytes of length, then as many bytes), an empty one after the last of
the file; then, in one frame, which sheet to give from which row. Child to parent: a line of JSON
each, `["ready"]`, `["preview", …]` per sheet, `["previews"]`, then `[row, cells]`, and at last
`["end"]`; in the place of any of them `["refused", code]`. The child takes the whole file before it
says more than that it is ready, so neither can wait for the other.

What the reader of cells does not tell (formulas, error values) is found by walking through the
sheet's XML once more.
"""

import json
import os
import re
import resource
import select
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from xml.parsers import expat

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.text import ZERO_WIDTH_CHARACTERS
from app.submissions.formats.cells import Cell, CellError

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

SheetRow = tuple[int, list[Cell]]
"""The number of a row as the spreadsheet shows it, and its cells from column A."""

EXAMPLE_SHEET = "示例"
"""The sheet of the template that shows filled-in rows (`sheets.template`): never read."""

HEADER_SEARCH_ROWS = 10
"""Among how many rows that hold anything the headings are looked for; above may stand a title."""

BLANK_CHARACTERS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + ZERO_WIDTH_CHARACTERS

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class WorkbookLimits:
    """What a workbook may take.

    Attributes:
        unpacked: bytes of all parts together, as the file declares them.
        ratio: how many times its packed size a part may have, from `ratio_from` bytes on; the
            rows of a table that are much alike come to about fifty.
        parts: how many files the package may hold.
        memory: bytes of the child's address space; some 15 million cells.
        cpu_seconds: the child's time of computing.
        seconds: how long the parent waits for the child in all; its own work does not count.
        line: bytes of one row, as it is handed over.
    """

    unpacked_bytes: int = 1024 * MEBIBYTE
    compression_ratio: int = 200
    ratio_min_bytes: int = 10 * MEBIBYTE
    parts: int = 5_000
    memory_bytes: int = 1536 * MEBIBYTE
    cpu_seconds: int = 120
    wait_seconds: float = 300
    line_bytes: int = 8 * MEBIBYTE


DEFAULT_LIMITS = WorkbookLimits()

_SAVE_AS_XLSX = "另存为“Excel 工作簿（.xlsx）”后重新提交"

POLL_SECONDS = 1.0
REFUSALS = {
    ProblemCode.unreadable_workbook: Sentence(
        "The file is damaged or incomplete; open it in a spreadsheet program, save it as .xlsx"
        " and send that",
        f"文件损坏或不完整，无法读取；请用 Excel 或 WPS 打开，{_SAVE_AS_XLSX}",
    ),
    ProblemCode.not_a_workbook: Sentence(
        "The file is no XLSX workbook; save the table as .xlsx and send that",
        f"该文件不是 Excel 工作簿（.xlsx）；请将表格{_SAVE_AS_XLSX}",
    ),
    ProblemCode.old_or_encrypted_workbook: Sentence(
        "The file is an old .xls or protected by a password; save it as .xlsx without a password"
        " and send that",
        f"文件为旧版 .xls 格式，或设有密码；请取消密码，{_SAVE_AS_XLSX}",
    ),
    ProblemCode.macros: Sentence(
        "The workbook holds macros; save it as .xlsx, without macros, and send that",
        f"工作簿含有宏；请{_SAVE_AS_XLSX}（该格式不含宏）",
    ),
    ProblemCode.zip_bomb: Sentence(
        "The workbook unpacks to far more than its size; copy the rows into the template and send"
        " that",
        "工作簿解压后的大小异常；请将数据复制到下载的模板中重新提交",
    ),
    ProblemCode.too_large_inside: Sentence(
        "The workbook takes too much memory or time to read; delete empty rows and columns beyond"
        " the table, split the table, or send it as CSV",
        "工作簿内容过大，无法读取；请删除表格以外的空行、空列，或拆分为多个文件，或改用 CSV 提交",
    ),
    ProblemCode.no_header_row: Sentence(
        "No sheet has a row of headings (主体名称, 决定日期, …) among its first ten rows; the sheet"
        f" {EXAMPLE_SHEET} is not read. Fill in the template, or put the headings above the rows",
        "没有找到表头行：请在数据上方（前 10 行内）填写列名，如“主体名称”“决定日期”等，"
        f"或下载模板填写；名为“{EXAMPLE_SHEET}”的工作表不读取",
    ),
    ProblemCode.several_sheets: Sentence(
        "Several sheets hold rows under headings; send one sheet per file",
        "有多个工作表填有数据；请每个文件只保留一个数据工作表，其余分别提交",
    ),
    ProblemCode.hidden_sheet: Sentence(
        "A hidden sheet holds rows under headings; show it or delete it, and send the file again",
        "有隐藏的工作表填有数据；请取消隐藏并核对，或删除该工作表后重新提交",
    ),
}
"""Why a workbook is not read, by stable code; each sentence says what to do about it."""


def build_refusal(code: ProblemCode) -> InvalidPayload:
    """The answer to a file that cannot be read at all."""
    return InvalidPayload(faults=[Fault("", code, REFUSALS[code])])


# --- the parent ----------------------------------------------------------


def read_workbook(
    chunks: Iterable[bytes],
    *,
    is_header: Callable[[list[Cell]], bool],
    limits: WorkbookLimits = DEFAULT_LIMITS,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[SheetRow]:
    """Give the header row of a workbook's one data sheet, then the rows under it that hold data.

    The data sheet is the visible one that holds rows under a header row; without any, an empty one
    that has a header row, of which only that is given. `data` is walked once, in this thread.
    `waiting` is called every now and then while the child takes its time.

    Raises:
        InvalidPayload: the workbook cannot be read, or there is no such sheet, or more than one;
            with one of the codes of `REFUSALS`. It may be raised between two rows.
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
    """The first rows of a sheet that hold anything, one more than are searched for headings."""

    sheet_index: int
    name: str
    is_visible: bool
    rows: list[tuple[int, list[Cell]]]


def _choose_data_sheet(
    previews: Iterable[_SheetPreview], is_header: Callable[[list[Cell]], bool]
) -> tuple[int, int]:
    """The place of the data sheet and the number of its header row."""
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
    """A child that is gone when the block ends, however it ends."""
    # What is named here is all that it gets to know: no key, no address of a database.
    passed_variables = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
    process = subprocess.Popen(  # noqa: S603 - our own module, and nothing of the file
        [sys.executable, "-m", __spec__.name, json.dumps(asdict(limits))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a parser's last words may cite the file
        bufsize=0,
        cwd=Path(__file__).parents[3],
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
    """The parent's end of the two pipes."""

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
        """Hand over the file; a child that died is told of by its next message."""
        try:
            for chunk in filter(None, chunks):
                self.send_frame(chunk)
            self.send_frame(b"")
        except BrokenPipeError:
            return

    def send_frame(self, chunk: bytes) -> None:
        """Hand over one frame."""
        for part in (struct.pack(">I", len(chunk)), chunk):
            remaining = memoryview(part)
            while remaining:
                self._wait_for_pipe(self._input_pipe, select.POLLOUT)
                remaining = remaining[os.write(self._input_pipe, remaining) :]

    def require_message(self, kind: str) -> None:
        """Wait for a message that means that the child runs at all.

        Raises:
            RuntimeError: it does not; the fault is the installation's, not the file's.
        """
        line = next(self._lines, None)
        if line is None or json.loads(line) != [kind]:
            raise RuntimeError("the process that reads workbooks does not start")

    def read_message(self) -> list[Any]:
        """The next line, with its cells as they are meant.

        Raises:
            InvalidPayload: the child refuses the file, or died of it.
        """
        line = next(self._lines, None)
        if line is None:
            raise build_refusal(
                ProblemCode.too_large_inside
                if self._was_killed()
                else ProblemCode.unreadable_workbook
            )
        message: list[Any] = json.loads(line, object_hook=_decode_cell)
        if message[0] == "refused":
            raise build_refusal(message[1])
        return message

    def _was_killed(self) -> bool:
        """Tell whether a limit ended it, which is by a signal; a failure leaves with a status."""
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


def _decode_cell(encoded: dict[str, str]) -> Cell:
    """A cell that JSON has no value for; `_told_cell` is the other way."""
    ((kind, value),) = encoded.items()
    if kind == "date":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value) if kind == "datetime" else CellError(value)


# --- the child -----------------------------------------------------------

OLE_MAGIC = b"\xd0\xcf\x11\xe0"
ZIP_MAGIC = b"PK"
MAX_ROWS, MAX_COLUMNS = 1 << 20, 1 << 14
DIGITS_LOST_FROM = 10**15
MAX_PREVIEW_COLUMNS, MAX_PREVIEW_CHARACTERS = 1_000, 500
MAX_INDEX_BYTES = 16 * MEBIBYTE
"""Bytes of a part that only says where the others are."""

MAIN_PART = re.compile(rb"spreadsheetml\.(sheet|template)\.main\+xml")
MACRO_PARTS = re.compile(rb"macroEnabled|vbaProject|macrosheet", re.IGNORECASE)
MACRO_NAMES = re.compile(r"xl/(vbaProject|macrosheets/)", re.IGNORECASE)
FORMULA_AND_ERROR_MARKUP = (b"<f>", b"<f ", b"<f/", b"<f\n", b"<f\r", b"<f\t", b'"e"', b"'e'")
CELL_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")

JsonCell = str | int | float | bool | dict[str, str] | None
"""A cell as JSON has it."""


class _WorkbookRefused(Exception):
    """The workbook is refused, with this code."""


class _CellRange(NamedTuple):
    """A rectangle of cells, all numbers from 1, its last row and column included."""

    top: int
    left: int
    bottom: int
    right: int


def _run_child(limits: WorkbookLimits) -> None:
    """Read a workbook from standard input and give its rows on standard output."""
    # Only the child has any use for it, and the registry's own processes stay without.
    from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _write_message(sink, ["ready"])
    sink.flush()
    try:
        file = BytesIO()
        while frame := _read_frame(source):
            file.write(frame)
        archive = _open_archive(file, limits)
        file.seek(0)
        sheets = _SheetCache(CalamineWorkbook.from_filelike(file))
        for sheet, metadata in enumerate(sheets.book.sheets_metadata):
            visible = metadata.visible == SheetVisibleEnum.Visible
            _write_message(
                sink, ["preview", sheet, metadata.name, visible, _build_preview(sheets, sheet)]
            )
        _write_message(sink, ["previews"])
        sink.flush()
        if chosen := _read_frame(source):
            for row in _iterate_data_rows(sheets, archive, *json.loads(chosen)):
                _write_message(sink, row)
            _write_message(sink, ["end"])
    except _WorkbookRefused as refused:
        _write_message(sink, ["refused", str(refused)])
    except MemoryError:
        _write_message(sink, ["refused", "too_large_inside"])
    sink.flush()


def _read_frame(source: IO[bytes]) -> bytes:
    """The next frame; b"" also where the parent went away in between."""
    length = source.read(4)
    return source.read(*struct.unpack(">I", length)) if length else b""


def _write_message(sink: IO[bytes], message: object) -> None:
    sink.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _open_archive(file: BytesIO, limits: WorkbookLimits) -> zipfile.ZipFile:
    """The package, after a look at what it says it holds."""
    magic = bytes(file.getbuffer()[:4])
    if magic == OLE_MAGIC:
        raise _WorkbookRefused("old_or_encrypted_workbook")
    if not magic.startswith(ZIP_MAGIC):
        raise _WorkbookRefused(
            "unreadable_workbook" if not magic.strip(b"\0") else "not_a_workbook"
        )
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise _WorkbookRefused("unreadable_workbook") from None
    _require_within_limits(archive.infolist(), limits)
    names = archive.namelist()
    if len(set(names)) < len(names):
        # Two readers may take two different ones.
        raise _WorkbookRefused("unreadable_workbook")
    if "[Content_Types].xml" not in names:
        raise _WorkbookRefused("not_a_workbook")
    kinds = _read_index_part(archive, "[Content_Types].xml")
    if any(map(MACRO_NAMES.match, names)) or MACRO_PARTS.search(kinds):
        raise _WorkbookRefused("macros")
    if not MAIN_PART.search(kinds) or "xl/workbook.xml" not in names:
        raise _WorkbookRefused("not_a_workbook")
    return archive


def _require_within_limits(parts: Sequence[zipfile.ZipInfo], limits: WorkbookLimits) -> None:
    if any(part.flag_bits & 1 for part in parts):
        raise _WorkbookRefused("old_or_encrypted_workbook")
    if (
        len(parts) > limits.parts
        or sum(part.file_size for part in parts) > limits.unpacked_bytes
        or any(
            part.file_size > limits.ratio_min_bytes
            and part.file_size > part.compress_size * limits.compression_ratio
            for part in parts
        )
    ):
        raise _WorkbookRefused("zip_bomb")


def _read_index_part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_INDEX_BYTES:
        raise _WorkbookRefused("zip_bomb")
    return archive.read(name)


class _SheetCache:
    """The sheets of a workbook, of which the longest is kept: it is the likely one to be asked for.

    A sheet is parsed as a whole, so it is best parsed once, and no two large ones are held at once.
    """

    def __init__(self, book: "CalamineWorkbook") -> None:
        self.book = book
        self._cached: tuple[int, CalamineSheet] | None = None

    def get(self, index: int) -> "CalamineSheet":
        """The sheet at that place of the workbook."""
        if self._cached is not None and self._cached[0] == index:
            return self._cached[1]
        sheet = self.book.get_sheet_by_index(index)
        if self._cached is None or sheet.height > self._cached[1].height:
            self._cached = index, sheet
        return sheet


def _build_preview(sheets: _SheetCache, index: int) -> list[tuple[int, list[JsonCell]]]:
    sheet = sheets.get(index)
    rows: list[tuple[int, list[JsonCell]]] = []
    for number, values in _iterate_filled_rows(sheet):
        cells = map(_encode_cell, values[:MAX_PREVIEW_COLUMNS])
        rows.append((number, [_truncate_cell(cell) for cell in cells]))
        if len(rows) > HEADER_SEARCH_ROWS:
            break
    return rows


def _truncate_cell(cell: JsonCell) -> JsonCell:
    return cell[:MAX_PREVIEW_CHARACTERS] if isinstance(cell, str) else cell


def _iterate_filled_rows(sheet: "CalamineSheet") -> Iterator[tuple[int, list[Any]]]:
    """The rows that hold anything at all, from column A."""
    leading_cells = [""] * sheet.start[1] if sheet.start is not None else []
    for number, values in enumerate(sheet.iter_rows(), 1):
        if any(value != "" and _encode_cell(value) is not None for value in values):
            yield number, leading_cells + values


def _iterate_data_rows(
    sheets: _SheetCache, archive: zipfile.ZipFile, index: int, header_row: int
) -> Iterator[tuple[int, list[JsonCell]]]:
    """The header row, then what is under it."""
    sheet = sheets.get(index)
    cell_errors = _CellErrorIndex(archive, _find_sheet_part(archive, index))
    merged_ranges = _RangeCursor(
        _CellRange(top + 1, left + 1, bottom + 1, right + 1)
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
    )
    for number, values in _iterate_filled_rows(sheet):
        if number < header_row:
            continue
        cells = list(map(_encode_cell, values))
        if number > header_row:
            cell_errors.mark_cells(number, cells)
            for left, right in merged_ranges.find_columns(number):
                for column in range(left, min(right, len(cells)) + 1):
                    cells[column - 1] = {"spoilt": CellError.merged}
        while cells[-1] is None:
            cells.pop()
        yield number, cells


def _encode_cell(value: object) -> JsonCell:  # noqa: PLR0911 - one for each thing that a cell holds
    """A cell's value as JSON has it; `_cell_told` is the other way."""
    match value:
        case str():
            return value.strip(BLANK_CHARACTERS) or None
        case bool():
            return value
        case float() | int():
            return _encode_number(value)
        case datetime() if value.time() != time.min:
            return {"datetime": value.isoformat()}
        case date():
            return {"date": value.isoformat()[:10]}
        case timedelta():
            seconds = round(abs(value.total_seconds()))
            sign = "-" if value < timedelta(0) else ""
            return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case time():
            return f"{value:%H:%M:%S}"
        case _:
            return None


def _encode_number(value: float) -> JsonCell:
    # A whole number from 10^15 on has more digits than a spreadsheet keeps. Those of a fraction are
    # what computing leaves behind (0.30000000000000004); it is shown, and read, as 0.3.
    if not abs(value) < DIGITS_LOST_FROM:
        return {"spoilt": CellError.lost_digits}
    return int(value) if value == int(value) else value


# --- what only the XML tells ----------------------------------------------


class _RangeCursor:
    """Rectangles, asked for row by row from the top."""

    def __init__(self, ranges: Iterable[_CellRange]) -> None:
        self._pending = sorted(ranges, reverse=True)
        self._current: list[_CellRange] = []

    def find_columns(self, row: int) -> list[tuple[int, int]]:
        """First and last columns of the rectangles that the row cuts."""
        while self._pending and self._pending[-1].top <= row:
            self._current.append(self._pending.pop())
        self._current = [area for area in self._current if area.bottom >= row]
        return [(area.left, area.right) for area in self._current]


class _CellErrorIndex:
    """Formulas and error values of one sheet, found by walking through its XML."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        self._formulas: dict[int, list[int]] = {}
        self._errors: dict[int, list[int]] = {}
        self._multi_cell_formulas: list[_CellRange] = []  # a formula that fills further cells
        self._row = self._column = 0
        self._cells_without_reference = 0  # cells without a reference, after the last one with it
        self._reference: str | None = None
        if _may_hold_cell_errors(archive, part):
            _walk_elements(archive, part, self._handle_element)
        self._formula_ranges = _RangeCursor(self._multi_cell_formulas)

    def mark_cells(self, row: int, cells: list[JsonCell]) -> None:
        """Put in the place of each such cell why it is none."""
        for columns_by_row, error in (
            (self._errors, CellError.error),
            (self._formulas, CellError.formula),
        ):
            for column in columns_by_row.get(row, ()):
                cells.extend([None] * (column - len(cells)))
                cells[column - 1] = {"spoilt": error}
        for left, right in self._formula_ranges.find_columns(row):
            for column in range(left, min(right, len(cells)) + 1):
                cells[column - 1] = {"spoilt": CellError.formula}

    def _handle_element(self, name: str, attributes: dict[str, str]) -> None:
        name = name if ":" not in name else _strip_prefix(name)
        if name == "c":
            reference = attributes.get("r")
            if reference is None:
                self._cells_without_reference += 1
            else:
                self._reference, self._cells_without_reference = reference, 0
            if attributes.get("t") == "e":
                self._add_cell(self._errors)
        elif name == "row":
            number = attributes.get("r", "")
            self._row = int(number) if number.isdecimal() else self._row + 1
            self._reference, self._cells_without_reference = None, 0
        elif name == "f":
            self._add_cell(self._formulas)
            if attributes.get("t") in {"array", "dataTable"} and "ref" in attributes:
                self._multi_cell_formulas.append(_parse_range(attributes["ref"]))

    def _add_cell(self, columns_by_row: dict[int, list[int]]) -> None:
        row, column = self._row, 0
        if self._reference is not None:
            row, column = _parse_reference(self._reference)
        columns_by_row.setdefault(row, []).append(
            min(column + self._cells_without_reference, MAX_COLUMNS)
        )


def _may_hold_cell_errors(archive: zipfile.ZipFile, part: str) -> bool:
    """Tell whether the walk is worth its time, some two seconds for a million cells."""
    with archive.open(part) as opened:
        chunk = opened.read(MEBIBYTE)
        if b"<worksheet" not in chunk:  # its elements have a prefix, or two bytes a character
            return True
        previous_end = b""
        while chunk:
            text = previous_end + chunk
            if any(sign in text for sign in FORMULA_AND_ERROR_MARKUP):
                return True
            previous_end = chunk[-2:]
            chunk = opened.read(MEBIBYTE)
    return False


def _parse_reference(reference: str) -> tuple[int, int]:
    """Row and column of a cell that is written as AB12."""
    match = CELL_REFERENCE.fullmatch(reference.replace("$", ""))
    if match is None:
        raise _WorkbookRefused("unreadable_workbook")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return min(int(match[2]), MAX_ROWS), min(column, MAX_COLUMNS)


def _parse_range(reference: str) -> _CellRange:
    first, _, last = reference.partition(":")
    return _CellRange(*_parse_reference(first), *_parse_reference(last or first))


def _find_sheet_part(archive: zipfile.ZipFile, index: int) -> str:
    """The part that holds the sheet at that place of the workbook."""
    targets: dict[str, str] = {}
    relationship_ids: list[str] = []

    def handle_relationship(name: str, attributes: dict[str, str]) -> None:
        if _strip_prefix(name) == "Relationship":
            targets[attributes["Id"]] = attributes["Target"]

    def handle_sheet(name: str, attributes: dict[str, str]) -> None:
        if _strip_prefix(name) == "sheet":
            relationship_ids.extend(
                value for key, value in attributes.items() if key.endswith(":id")
            )

    for part, element in (
        ("xl/_rels/workbook.xml.rels", handle_relationship),
        ("xl/workbook.xml", handle_sheet),
    ):
        _read_index_part(archive, part)
        _walk_elements(archive, part, element)
    target = targets[relationship_ids[index]]
    return target.lstrip("/") if target.startswith(("/", "xl/")) else f"xl/{target}"


def _strip_prefix(name: str) -> str:
    return name.rpartition(":")[2]


def _walk_elements(
    archive: zipfile.ZipFile, part: str, handle_element: Callable[[str, dict[str, str]], None]
) -> None:
    """Call `element` with the name and the attributes of each element of a part."""
    parser = expat.ParserCreate()

    def refuse_doctype(*_: object) -> None:
        # No spreadsheet program writes one; entities are how small texts grow large.
        raise _WorkbookRefused("unreadable_workbook")

    parser.StartElementHandler = handle_element
    parser.StartDoctypeDeclHandler = refuse_doctype
    with archive.open(part) as opened:
        parser.ParseFile(opened)


def _set_resource_limits(limits: WorkbookLimits) -> None:
    """Leave this process no more than it needs; a file of any size cannot be written either."""
    for resource_id, limit in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(resource_id)[1]
        new_limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource_id, (new_limit, new_limit))


if __name__ == "__main__":
    _limits = WorkbookLimits(**json.loads(sys.argv[1]))
    _set_resource_limits(_limits)
    _run_child(_limits)
