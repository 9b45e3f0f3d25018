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

from app.errors import Fault, InvalidPayload, Sentence
from app.submissions.formats.cells import Cell, Spoilt

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

Row = tuple[int, list[Cell]]
"""The number of a row as the spreadsheet shows it, and its cells from column A."""

EXAMPLES = "示例"
"""The sheet of the template that shows filled-in rows (`sheets.template`): never read."""

HEADER_WITHIN = 10
"""Among how many rows that hold anything the headings are looked for; above may stand a title."""

BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200c\u200d\u2060\ufeff"

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
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

    unpacked: int = 1024 * MEBIBYTE
    ratio: int = 200
    ratio_from: int = 10 * MEBIBYTE
    parts: int = 5_000
    memory: int = 1536 * MEBIBYTE
    cpu_seconds: int = 120
    seconds: float = 300
    line: int = 8 * MEBIBYTE


LIMITS = Limits()

_SAVE_AS = "另存为“Excel 工作簿（.xlsx）”后重新提交"

WAIT_SECONDS = 1.0
REFUSALS = {
    "unreadable_workbook": Sentence(
        "The file is damaged or incomplete; open it in a spreadsheet program, save it as .xlsx"
        " and send that",
        f"文件损坏或不完整，无法读取；请用 Excel 或 WPS 打开，{_SAVE_AS}",
    ),
    "not_a_workbook": Sentence(
        "The file is no XLSX workbook; save the table as .xlsx and send that",
        f"该文件不是 Excel 工作簿（.xlsx）；请将表格{_SAVE_AS}",
    ),
    "old_or_encrypted_workbook": Sentence(
        "The file is an old .xls or protected by a password; save it as .xlsx without a password"
        " and send that",
        f"文件为旧版 .xls 格式，或设有密码；请取消密码，{_SAVE_AS}",
    ),
    "macros": Sentence(
        "The workbook holds macros; save it as .xlsx, without macros, and send that",
        f"工作簿含有宏；请{_SAVE_AS}（该格式不含宏）",
    ),
    "zip_bomb": Sentence(
        "The workbook unpacks to far more than its size; copy the rows into the template and send"
        " that",
        "工作簿解压后的大小异常；请将数据复制到下载的模板中重新提交",
    ),
    "too_large_inside": Sentence(
        "The workbook takes too much memory or time to read; delete empty rows and columns beyond"
        " the table, split the table, or send it as CSV",
        "工作簿内容过大，无法读取；请删除表格以外的空行、空列，或拆分为多个文件，或改用 CSV 提交",
    ),
    "no_header_row": Sentence(
        "No sheet has a row of headings (主体名称, 决定日期, …) among its first ten rows; the sheet"
        f" {EXAMPLES} is not read. Fill in the template, or put the headings above the rows",
        "没有找到表头行：请在数据上方（前 10 行内）填写列名，如“主体名称”“决定日期”等，"
        f"或下载模板填写；名为“{EXAMPLES}”的工作表不读取",
    ),
    "several_sheets": Sentence(
        "Several sheets hold rows under headings; send one sheet per file",
        "有多个工作表填有数据；请每个文件只保留一个数据工作表，其余分别提交",
    ),
    "hidden_sheet": Sentence(
        "A hidden sheet holds rows under headings; show it or delete it, and send the file again",
        "有隐藏的工作表填有数据；请取消隐藏并核对，或删除该工作表后重新提交",
    ),
}
"""Why a workbook is not read, by stable code; each sentence says what to do about it."""


def refusal(code: str) -> InvalidPayload:
    """The answer to a file that cannot be read at all."""
    return InvalidPayload(faults=[Fault("", code, REFUSALS[code])])


# --- the parent ----------------------------------------------------------


def read(
    data: Iterable[bytes],
    *,
    is_header: Callable[[list[Cell]], bool],
    limits: Limits = LIMITS,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[Row]:
    """Give the header row of a workbook's one data sheet, then the rows under it that hold data.

    The data sheet is the visible one that holds rows under a header row; without any, an empty one
    that has a header row, of which only that is given. `data` is walked once, in this thread.
    `waiting` is called every now and then while the child takes its time.

    Raises:
        InvalidPayload: the workbook cannot be read, or there is no such sheet, or more than one;
            with one of the codes of `REFUSALS`. It may be raised between two rows.
    """
    with _started(limits, waiting) as child:
        child.expect("ready")
        child.send_file(data)
        previews: list[_Preview] = []
        while (told := child.message())[0] == "preview":
            previews.append(_Preview(*told[1:]))
        child.send(json.dumps(_data_sheet(previews, is_header)).encode())
        while (told := child.message())[0] != "end":
            yield told[0], told[1]


class _Preview(NamedTuple):
    """The first rows of a sheet that hold anything, one more than are searched for headings."""

    sheet: int
    name: str
    visible: bool
    rows: list[tuple[int, list[Cell]]]


def _data_sheet(
    previews: Iterable[_Preview], is_header: Callable[[list[Cell]], bool]
) -> tuple[int, int]:
    """The place of the data sheet and the number of its header row."""
    filled: list[tuple[int, int]] = []
    empty: list[tuple[int, int]] = []
    for sheet, name, visible, rows in previews:
        places = (at for at, row in enumerate(rows[:HEADER_WITHIN]) if is_header(row[1]))
        at = next(places, None)
        if at is None or name.strip(BLANKS) == EXAMPLES:
            continue
        under = len(rows) > at + 1
        if under and not visible:
            raise refusal("hidden_sheet")
        if visible:
            (filled if under else empty).append((sheet, rows[at][0]))
    if len(filled) > 1:
        raise refusal("several_sheets")
    for found in filled or empty:
        return found
    raise refusal("no_header_row")


@contextmanager
def _started(limits: Limits, waiting: Callable[[], None]) -> Iterator["_Child"]:
    """A child that is gone when the block ends, however it ends."""
    # What is named here is all that it gets to know: no key, no address of a database.
    passed = ("PATH", "LD_LIBRARY_PATH", "LANG", "TZ")
    process = subprocess.Popen(  # noqa: S603 - our own module, and nothing of the file
        [sys.executable, "-m", __spec__.name, json.dumps(asdict(limits))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a parser's last words may cite the file
        bufsize=0,
        cwd=Path(__file__).parents[3],
        env={name: os.environ[name] for name in passed if name in os.environ},
    )
    try:
        yield _Child(process, limits, waiting)
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        process.wait()


class _Child:
    """The parent's end of the two pipes."""

    def __init__(
        self, process: subprocess.Popen[bytes], limits: Limits, waiting: Callable[[], None]
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._inlet, self._outlet = process.stdin.fileno(), process.stdout.fileno()
        self._patience, self._longest = limits.seconds, limits.line
        self._waiting = waiting
        os.set_blocking(self._inlet, False)
        self._lines = self._received()

    def send_file(self, data: Iterable[bytes]) -> None:
        """Hand over the file; a child that died is told of by its next message."""
        try:
            for chunk in filter(None, data):
                self.send(chunk)
            self.send(b"")
        except BrokenPipeError:
            return

    def send(self, chunk: bytes) -> None:
        """Hand over one frame."""
        for part in (struct.pack(">I", len(chunk)), chunk):
            left = memoryview(part)
            while left:
                self._await(self._inlet, select.POLLOUT)
                left = left[os.write(self._inlet, left) :]

    def expect(self, kind: str) -> None:
        """Wait for a message that means that the child runs at all.

        Raises:
            RuntimeError: it does not; the fault is the installation's, not the file's.
        """
        told = next(self._lines, None)
        if told is None or json.loads(told) != [kind]:
            raise RuntimeError("the process that reads workbooks does not start")

    def message(self) -> list[Any]:
        """The next line, with its cells as they are meant.

        Raises:
            InvalidPayload: the child refuses the file, or died of it.
        """
        line = next(self._lines, None)
        if line is None:
            raise refusal("too_large_inside" if self._was_ended() else "unreadable_workbook")
        told: list[Any] = json.loads(line, object_hook=_cell_told)
        if told[0] == "refused":
            raise refusal(told[1])
        return told

    def _was_ended(self) -> bool:
        """Tell whether a limit ended it, which is by a signal; a failure leaves with a status."""
        try:
            return self._process.wait(max(self._patience, 0)) < 0
        except subprocess.TimeoutExpired:
            return True

    def _received(self) -> Iterator[bytes]:
        rest = b""
        while True:
            self._await(self._outlet, select.POLLIN)
            chunk = os.read(self._outlet, 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > self._longest:
                raise refusal("too_large_inside")

    def _await(self, pipe: int, event: int) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        while self._patience > 0:
            began = monotonic()
            ready = poll.poll(min(self._patience, WAIT_SECONDS) * 1000)
            self._patience -= monotonic() - began
            if ready:
                return
            self._waiting()
        raise refusal("too_large_inside")


def _cell_told(told: dict[str, str]) -> Cell:
    """A cell that JSON has no value for; `_told_cell` is the other way."""
    ((kind, value),) = told.items()
    if kind == "date":
        return date.fromisoformat(value)
    return datetime.fromisoformat(value) if kind == "datetime" else Spoilt(value)


# --- the child -----------------------------------------------------------

OLE_MAGIC = b"\xd0\xcf\x11\xe0"
ZIP_MAGIC = b"PK"
MOST_ROWS, MOST_COLUMNS = 1 << 20, 1 << 14
LOST_FROM = 10**15
PREVIEWED_COLUMNS, PREVIEWED_CHARACTERS = 1_000, 500
LARGEST_INDEX = 16 * MEBIBYTE
"""Bytes of a part that only says where the others are."""

MAIN_PART = re.compile(rb"spreadsheetml\.(sheet|template)\.main\+xml")
MACRO_PARTS = re.compile(rb"macroEnabled|vbaProject|macrosheet", re.IGNORECASE)
MACRO_NAMES = re.compile(r"xl/(vbaProject|macrosheets/)", re.IGNORECASE)
SIGNS_OF_MARKS = (b"<f>", b"<f ", b"<f/", b"<f\n", b"<f\r", b"<f\t", b'"e"', b"'e'")
REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")

Told = str | int | float | bool | dict[str, str] | None
"""A cell as JSON has it."""


class _Unfit(Exception):
    """The workbook is refused, with this code."""


class _Area(NamedTuple):
    """A rectangle of cells, all numbers from 1, its last row and column included."""

    top: int
    left: int
    bottom: int
    right: int


def _serve(limits: Limits) -> None:
    """Read a workbook from standard input and give its rows on standard output."""
    # Only the child has any use for it, and the registry's own processes stay without.
    from python_calamine import CalamineWorkbook, SheetVisibleEnum  # noqa: PLC0415

    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _tell(sink, ["ready"])
    sink.flush()
    try:
        file = BytesIO()
        while frame := _frame(source):
            file.write(frame)
        archive = _opened(file, limits)
        file.seek(0)
        shelf = _Shelf(CalamineWorkbook.from_filelike(file))
        for sheet, found in enumerate(shelf.book.sheets_metadata):
            visible = found.visible == SheetVisibleEnum.Visible
            _tell(sink, ["preview", sheet, found.name, visible, _preview(shelf, sheet)])
        _tell(sink, ["previews"])
        sink.flush()
        if chosen := _frame(source):
            for row in _rows(shelf, archive, *json.loads(chosen)):
                _tell(sink, row)
            _tell(sink, ["end"])
    except _Unfit as unfit:
        _tell(sink, ["refused", str(unfit)])
    except MemoryError:
        _tell(sink, ["refused", "too_large_inside"])
    sink.flush()


def _frame(source: IO[bytes]) -> bytes:
    """The next frame; b"" also where the parent went away in between."""
    length = source.read(4)
    return source.read(*struct.unpack(">I", length)) if length else b""


def _tell(sink: IO[bytes], told: object) -> None:
    sink.write(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def _opened(file: BytesIO, limits: Limits) -> zipfile.ZipFile:
    """The package, after a look at what it says it holds."""
    magic = bytes(file.getbuffer()[:4])
    if magic == OLE_MAGIC:
        raise _Unfit("old_or_encrypted_workbook")
    if not magic.startswith(ZIP_MAGIC):
        raise _Unfit("unreadable_workbook" if not magic.strip(b"\0") else "not_a_workbook")
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        raise _Unfit("unreadable_workbook") from None
    _weigh(archive.infolist(), limits)
    names = archive.namelist()
    if len(set(names)) < len(names):
        # Two readers may take two different ones.
        raise _Unfit("unreadable_workbook")
    if "[Content_Types].xml" not in names:
        raise _Unfit("not_a_workbook")
    kinds = _index_part(archive, "[Content_Types].xml")
    if any(map(MACRO_NAMES.match, names)) or MACRO_PARTS.search(kinds):
        raise _Unfit("macros")
    if not MAIN_PART.search(kinds) or "xl/workbook.xml" not in names:
        raise _Unfit("not_a_workbook")
    return archive


def _weigh(parts: Sequence[zipfile.ZipInfo], limits: Limits) -> None:
    if any(part.flag_bits & 1 for part in parts):
        raise _Unfit("old_or_encrypted_workbook")
    if (
        len(parts) > limits.parts
        or sum(part.file_size for part in parts) > limits.unpacked
        or any(
            part.file_size > limits.ratio_from
            and part.file_size > part.compress_size * limits.ratio
            for part in parts
        )
    ):
        raise _Unfit("zip_bomb")


def _index_part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST_INDEX:
        raise _Unfit("zip_bomb")
    return archive.read(name)


class _Shelf:
    """The sheets of a workbook, of which the longest is kept: it is the likely one to be asked for.

    A sheet is parsed as a whole, so it is best parsed once, and no two large ones are held at once.
    """

    def __init__(self, book: "CalamineWorkbook") -> None:
        self.book = book
        self._kept: tuple[int, CalamineSheet] | None = None

    def take(self, at: int) -> "CalamineSheet":
        """The sheet at that place of the workbook."""
        if self._kept is not None and self._kept[0] == at:
            return self._kept[1]
        sheet = self.book.get_sheet_by_index(at)
        if self._kept is None or sheet.height > self._kept[1].height:
            self._kept = at, sheet
        return sheet


def _preview(shelf: _Shelf, at: int) -> list[tuple[int, list[Told]]]:
    sheet = shelf.take(at)
    rows: list[tuple[int, list[Told]]] = []
    for number, values in _filled(sheet):
        cells = map(_told_cell, values[:PREVIEWED_COLUMNS])
        rows.append((number, [_short(cell) for cell in cells]))
        if len(rows) > HEADER_WITHIN:
            break
    return rows


def _short(cell: Told) -> Told:
    return cell[:PREVIEWED_CHARACTERS] if isinstance(cell, str) else cell


def _filled(sheet: "CalamineSheet") -> Iterator[tuple[int, list[Any]]]:
    """The rows that hold anything at all, from column A."""
    before = [""] * sheet.start[1] if sheet.start is not None else []
    for number, values in enumerate(sheet.iter_rows(), 1):
        if any(value != "" and _told_cell(value) is not None for value in values):
            yield number, before + values


def _rows(
    shelf: _Shelf, archive: zipfile.ZipFile, at: int, header: int
) -> Iterator[tuple[int, list[Told]]]:
    """The header row, then what is under it."""
    sheet = shelf.take(at)
    marks = _Marks(archive, _part_of_sheet(archive, at))
    merged = _Areas(
        _Area(top + 1, left + 1, bottom + 1, right + 1)
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or ()
    )
    for number, values in _filled(sheet):
        if number < header:
            continue
        cells = list(map(_told_cell, values))
        if number > header:
            marks.spoil(number, cells)
            for left, right in merged.columns(number):
                for column in range(left, min(right, len(cells)) + 1):
                    cells[column - 1] = {"spoilt": Spoilt.merged}
        while cells[-1] is None:
            cells.pop()
        yield number, cells


def _told_cell(value: object) -> Told:  # noqa: PLR0911 - one for each thing that a cell holds
    """A cell's value as JSON has it; `_cell_told` is the other way."""
    match value:
        case str():
            return value.strip(BLANKS) or None
        case bool():
            return value
        case float() | int():
            return _told_number(value)
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


def _told_number(value: float) -> Told:
    # A whole number from 10^15 on has more digits than a spreadsheet keeps. Those of a fraction are
    # what computing leaves behind (0.30000000000000004); it is shown, and read, as 0.3.
    if not abs(value) < LOST_FROM:
        return {"spoilt": Spoilt.lost_digits}
    return int(value) if value == int(value) else value


# --- what only the XML tells ----------------------------------------------


class _Areas:
    """Rectangles, asked for row by row from the top."""

    def __init__(self, areas: Iterable[_Area]) -> None:
        self._coming = sorted(areas, reverse=True)
        self._open: list[_Area] = []

    def columns(self, row: int) -> list[tuple[int, int]]:
        """First and last columns of the rectangles that the row cuts."""
        while self._coming and self._coming[-1].top <= row:
            self._open.append(self._coming.pop())
        self._open = [area for area in self._open if area.bottom >= row]
        return [(area.left, area.right) for area in self._open]


class _Marks:
    """Formulas and error values of one sheet, found by walking through its XML."""

    def __init__(self, archive: zipfile.ZipFile, part: str) -> None:
        self._formulas: dict[int, list[int]] = {}
        self._errors: dict[int, list[int]] = {}
        self._filled_by_one: list[_Area] = []  # a formula that fills further cells
        self._row = self._column = 0
        self._columns_since = 0  # cells without a reference, after the last one with it
        self._reference: str | None = None
        if _may_hold_marks(archive, part):
            _walk(archive, part, self._element)
        self._areas = _Areas(self._filled_by_one)

    def spoil(self, row: int, cells: list[Told]) -> None:
        """Put in the place of each such cell why it is none."""
        for found, why in ((self._errors, Spoilt.error), (self._formulas, Spoilt.formula)):
            for column in found.get(row, ()):
                cells.extend([None] * (column - len(cells)))
                cells[column - 1] = {"spoilt": why}
        for left, right in self._areas.columns(row):
            for column in range(left, min(right, len(cells)) + 1):
                cells[column - 1] = {"spoilt": Spoilt.formula}

    def _element(self, name: str, attributes: dict[str, str]) -> None:
        name = name if ":" not in name else _local(name)
        if name == "c":
            reference = attributes.get("r")
            if reference is None:
                self._columns_since += 1
            else:
                self._reference, self._columns_since = reference, 0
            if attributes.get("t") == "e":
                self._mark(self._errors)
        elif name == "row":
            number = attributes.get("r", "")
            self._row = int(number) if number.isdecimal() else self._row + 1
            self._reference, self._columns_since = None, 0
        elif name == "f":
            self._mark(self._formulas)
            if attributes.get("t") in {"array", "dataTable"} and "ref" in attributes:
                self._filled_by_one.append(_area(attributes["ref"]))

    def _mark(self, found: dict[int, list[int]]) -> None:
        row, column = self._row, 0
        if self._reference is not None:
            row, column = _place(self._reference)
        found.setdefault(row, []).append(min(column + self._columns_since, MOST_COLUMNS))


def _may_hold_marks(archive: zipfile.ZipFile, part: str) -> bool:
    """Tell whether the walk is worth its time, some two seconds for a million cells."""
    with archive.open(part) as opened:
        chunk = opened.read(MEBIBYTE)
        if b"<worksheet" not in chunk:  # its elements have a prefix, or two bytes a character
            return True
        before = b""
        while chunk:
            text = before + chunk
            if any(sign in text for sign in SIGNS_OF_MARKS):
                return True
            before = chunk[-2:]
            chunk = opened.read(MEBIBYTE)
    return False


def _place(reference: str) -> tuple[int, int]:
    """Row and column of a cell that is written as AB12."""
    written = REFERENCE.fullmatch(reference.replace("$", ""))
    if written is None:
        raise _Unfit("unreadable_workbook")
    column = 0
    for letter in written[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return min(int(written[2]), MOST_ROWS), min(column, MOST_COLUMNS)


def _area(reference: str) -> _Area:
    first, _, last = reference.partition(":")
    return _Area(*_place(first), *_place(last or first))


def _part_of_sheet(archive: zipfile.ZipFile, at: int) -> str:
    """The part that holds the sheet at that place of the workbook."""
    targets: dict[str, str] = {}
    keys: list[str] = []

    def related(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "Relationship":
            targets[attributes["Id"]] = attributes["Target"]

    def listed(name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "sheet":
            keys.extend(value for key, value in attributes.items() if key.endswith(":id"))

    for part, element in (
        ("xl/_rels/workbook.xml.rels", related),
        ("xl/workbook.xml", listed),
    ):
        _index_part(archive, part)
        _walk(archive, part, element)
    target = targets[keys[at]]
    return target.lstrip("/") if target.startswith(("/", "xl/")) else f"xl/{target}"


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _walk(
    archive: zipfile.ZipFile, part: str, element: Callable[[str, dict[str, str]], None]
) -> None:
    """Call `element` with the name and the attributes of each element of a part."""
    parser = expat.ParserCreate()

    def declared(*_: object) -> None:
        # No spreadsheet program writes one; entities are how small texts grow large.
        raise _Unfit("unreadable_workbook")

    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = declared
    with archive.open(part) as opened:
        parser.ParseFile(opened)


def _confine(limits: Limits) -> None:
    """Leave this process no more than it needs; a file of any size cannot be written either."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        kept = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (kept, kept))


if __name__ == "__main__":
    _limits = Limits(**json.loads(sys.argv[1]))
    _confine(_limits)
    _serve(_limits)
