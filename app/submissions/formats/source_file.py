"""From the bytes of a file to its rows: what it is, one row at a time, never whole in memory.

Nothing is guessed: a file is what its first bytes show, a text is UTF-8 or else GB 18030 from its
first byte to its last, and a row that cannot be read is a row with an answer.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

import ijson
import orjson

from app.entries.schemas import EntryPush
from app.errors import Fault, InvalidPayload, Sentence
from app.rules.law import Catalogue
from app.submissions.formats import own_export, xlsx
from app.submissions.formats.cells import Cell, Spoilt
from app.submissions.mapping.header import is_header, is_trailer
from app.submissions.mapping.table import Table
from app.submissions.schemas import FileFormat

LONGEST_ROW = 1_000_000
"""Bytes of one row of JSON, or characters of one record of CSV, over however many lines."""
DEEPEST = 100
"""Arrays and objects within each other; a row needs six."""
HEADER_WITHIN = 10
"""A title or a note may stand above the headings, but not a page of them."""
ZIP, OLE, UTF16 = b"PK", b"\xd0\xcf\x11\xe0", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)  # of which one begins as UTF-16 does
CHINESE = re.compile("[\u3000-\u9fff\uff00-\uffef]")
FOUR_CHINESE = re.compile(CHINESE.pattern + "{4}")
MOST_SETS_OF_KEYS = 20
"""So many different sets of keys of one file are remembered, each with the table that it makes."""
GOES_ON = (b"{", b"[", b",", b":")
"""How a line ends behind which its object goes on."""
ESCAPED_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
FORMULA_SIGNS = tuple("=+-@")
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"

Pieces = Callable[[], Iterable[bytes]]
"""The file from its beginning, piece by piece; it may be asked for more than once."""


class Row(NamedTuple):
    """One row as it was sent.

    Attributes:
        number: as its sender counts: the line, the place in the array, the row of the sheet.
        body: what `POST /v1/entries` takes; None where nothing could be read.
        faults: what is wrong with it already, by places in the body.
        cells: the cells of a table's row.
        heading_of: tells under which heading a place of the body stands.
    """

    number: int
    body: Any
    faults: tuple[Fault, ...] = ()
    cells: tuple[Cell, ...] = ()
    heading_of: Callable[[str], str | None] = lambda _: None


Refusal = tuple[str, str, str]
"""A code, and the sentence in English and in Chinese."""


class Unreadable(InvalidPayload):
    """The file cannot be read, or not beyond some row."""

    def __init__(self, code: str, en: str, zh: str) -> None:
        super().__init__(faults=[Fault("", code, Sentence(en, zh))])


@dataclass(slots=True)
class File:
    """A file to be read, for the list and the department that its sender named."""

    pieces: Pieces
    catalogue: Catalogue
    list_type: str | None
    department: str | None
    waiting: Callable[[], None] = lambda: None
    """Called now and then while nothing comes of the file: of a large workbook, of blank rows."""
    format: FileFormat | None = field(init=False, default=None)
    table: Table | None = field(init=False, default=None)
    consumed: int = field(init=False, default=0)
    """How many of its bytes were read by now."""
    _tables: dict[tuple[str, ...], Table | InvalidPayload] = field(init=False, default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """Every row in order.

        Raises:
            InvalidPayload: the file cannot be read, or not any further.
        """
        self.consumed, self.table = 0, None
        self.format = recognise(next(iter(self.pieces()), b""))
        row = None
        for row in self._rows_of(self.format):
            yield row
        if row is None:
            raise Unreadable(*EMPTY)

    def _rows_of(self, file_format: FileFormat) -> Iterator[Row]:
        match file_format:
            case FileFormat.ndjson:
                return self._lines()
            case FileFormat.json:
                return self._items()
            case FileFormat.csv:
                return self._tabular(self._records())
            case FileFormat.xlsx:
                return self._tabular(
                    xlsx.read(self.pieces(), is_header=is_header, waiting=self.waiting)
                )

    # --- JSON ------------------------------------------------------------

    def _lines(self) -> Iterator[Row]:
        self._require_lines()
        trailer = own_export.Trailer()
        for number, line in enumerate(self._split_lines(), start=1):
            if not line or line.isspace():
                continue
            try:
                sent = orjson.loads(line)
            except orjson.JSONDecodeError:
                yield Row(number, None, (NOT_JSON,))
                continue
            if trailer.is_trailer(sent):
                trailer.require_whole(sent)
                continue
            trailer.count(line)
            yield self._json_row(number, sent)

    def _require_lines(self) -> None:
        """Refuse one object that is written over many lines; it would be a refusal for each."""
        lines = (line for line in self._split_lines() if line and not line.isspace())
        first = next(lines, b"")
        if first.rstrip().endswith(GOES_ON):
            second = next(lines, None)  # where it is a row, only the first is damaged
            if second is not None and not _is_object(second):
                raise Unreadable(*OVER_MANY_LINES)
        self.consumed = 0

    def _split_lines(self) -> Iterator[bytes]:
        rest = b""
        for number, piece in enumerate(self.pieces()):
            plain = piece.removeprefix(codecs.BOM_UTF8) if number == 0 else piece
            *lines, rest = (rest + plain).split(b"\n")
            for line in lines:
                self.consumed += len(line) + 1
                yield line
            if len(rest) > LONGEST_ROW:
                raise Unreadable(*ROW_TOO_LONG)
        if rest:
            self.consumed += len(rest)
            yield rest

    def _items(self) -> Iterator[Row]:
        source = _Counting(self.pieces())
        number = 0
        try:
            place = own_export.ITEMS[self._is_export()]
            events = _parser_for(self.pieces()).basic_parse(source, use_float=True)
            items = ijson.items(ijson.parse(_bounded_in_depth(events)), place)
            for number, item in enumerate(items, start=1):
                self.consumed = source.begin_row()
                yield self._json_row(number, item)
        except (ijson.JSONError, ValueError):  # letters that are none are a ValueError
            raise Unreadable(
                "malformed_json",
                f"The JSON breaks off or is damaged behind item {number}",
                f"第 {number} 项之后的 JSON 不完整或已损坏",
            ) from None
        if self._is_export():
            file = io.BufferedReader(_Raw(self.pieces(), lambda _: None))
            for trailer in ijson.items(file, "trailer"):
                own_export.require_count((trailer, own_export.count_of(trailer)), number)

    def _is_export(self) -> bool:
        return next(iter(self.pieces()), b"").removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"

    def _json_row(self, number: int, sent: Any) -> Row:  # noqa: ANN401 - any JSON value
        if not isinstance(sent, dict):
            return Row(number, None, (NOT_AN_OBJECT,))
        if own_export.is_entry(sent):
            body, faults = own_export.body_of(sent)
            return Row(number, body, tuple(faults))
        table = self._table_of_keys(sent)
        if table is None:
            return Row(number, sent)
        if isinstance(table, InvalidPayload):
            return Row(number, None, table.faults)
        return self._table_row(table, number, list(sent.values()))

    def _table_of_keys(self, sent: dict[str, Any]) -> Table | InvalidPayload | None:
        """The table that a flat object is a row of, or why it is of none; None where it is a push.

        So a system sends what its own table holds: {"CF_WSH": "…", "CF_JDRQ": "…"}.
        """
        if any(isinstance(value, dict | list) for value in sent.values()):
            return None
        keys = tuple(sent)
        if keys not in self._tables:
            # Some of our headings are also fields of a push, which may lack what is no plain value.
            if not is_header([key for key in keys if key not in EntryPush.model_fields]):
                return None
            if len(self._tables) >= MOST_SETS_OF_KEYS:
                self._tables.clear()
            try:
                table = Table.of(keys, list_type=self.list_type, catalogue=self.catalogue)
            except InvalidPayload as refusal:
                self._tables[keys] = refusal
            else:
                self._tables[keys] = table
        return self._tables[keys]

    # --- tables ----------------------------------------------------------

    def _tabular(self, records: Iterator[tuple[int, list[Cell]]]) -> Iterator[Row]:
        above = 0
        for number, cells in records:
            if self.table is None:
                if is_header(cells):
                    self.table = Table.of(cells, list_type=self.list_type, catalogue=self.catalogue)
                elif (above := above + 1) >= HEADER_WITHIN:
                    raise Unreadable(*NO_HEADER)
            elif any(cell is not None for cell in cells):
                yield self._table_row(self.table, number, cells)
            else:
                self.waiting()
        if self.table is None and above:
            raise Unreadable(*NO_HEADER)

    def _table_row(self, table: Table, number: int, cells: list[Cell]) -> Row:
        if any(cell is not None for cell in cells[len(table.header) :]):
            return Row(number, None, (TOO_MANY_CELLS,), tuple(cells))
        read = table.row(cells, department=self.department)

        def heading_of(pointer: str) -> str | None:
            place = read.column_of(pointer)
            return None if place is None else table.header[place]

        return Row(number, read.body, tuple(read.faults), tuple(cells), heading_of)

    def _records(self) -> Iterator[tuple[int, list[Cell]]]:
        text = io.TextIOWrapper(
            io.BufferedReader(_Raw(self.pieces(), self._consume)),
            encoding=self._encoding(),
            newline="",
        )
        bounded = _bounded(text)
        first = list(islice(bounded, HEADER_WITHIN))
        lines = _LinesOfRecords(chain(first, bounded))
        records = csv.reader(lines, delimiter=_delimiter(first), strict=True)
        number = 0
        try:
            for number, record in enumerate(records, start=1):
                lines.begin_record()
                cells = [_text_cell(cell) for cell in record]
                if is_trailer(cells):
                    own_export.require_count(cells, number - 2)  # neither the headings nor itself
                    if any(_text_cell(cell) is not None for behind in records for cell in behind):
                        raise InvalidPayload(faults=[own_export.NOT_WHOLE])
                    return
                yield number, cells
        except csv.Error:
            raise Unreadable(
                "malformed_csv",
                f"The table cannot be read behind row {number}; look for an unpaired quote",
                f"第 {number} 行之后无法读取，请检查引号是否成对",
            ) from None

    def _consume(self, size: int) -> None:
        self.consumed += size

    def _encoding(self) -> str:
        start = next(iter(self.pieces()), b"")
        if start.startswith(UTF32):
            raise Unreadable(*NEITHER_ENCODING)
        if start.startswith(UTF16):
            if self._is_in("utf-16"):
                return "utf-16"
            raise Unreadable(*NEITHER_ENCODING)
        if self._is_in("utf-8"):
            return "utf-8-sig"
        if start.startswith(codecs.BOM_UTF8) or _was_utf8(self.pieces()):
            raise Unreadable(*DAMAGED_TEXT)
        if self._is_in("gb18030"):
            return "gb18030"
        raise Unreadable(*NEITHER_ENCODING)

    def _is_in(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for piece in self.pieces():
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True


def recognise(start: bytes) -> FileFormat:
    """What a file is, by its first bytes.

    Raises:
        InvalidPayload: it is empty, or of a kind that is known not to be taken.
    """
    plain = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if not plain:
        raise Unreadable(*EMPTY)
    if start.startswith((ZIP, OLE)):
        return FileFormat.xlsx  # what it really is, its reader says
    if start.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        raise Unreadable(
            "not_a_table",
            "This is a document or a picture; send a table (XLSX, CSV) or JSON",
            "这是文档或图片，请提交表格（XLSX、CSV）或 JSON 文件",
        )
    if plain.startswith(b"["):
        return FileFormat.json
    if plain.startswith(b"{"):
        # The one object that an export in JSON is begins so; any other begins a line.
        return FileFormat.json if own_export.is_document(plain) else FileFormat.ndjson
    return FileFormat.csv


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _bounded_in_depth(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    # Whoever follows them keeps the path to each: that of 100,000 brackets would fill the memory.
    depth = 0
    for event in events:
        if event[0] in {"start_map", "start_array"}:
            depth += 1
            if depth > DEEPEST:
                raise Unreadable(*TOO_DEEP)
        elif event[0] in {"end_map", "end_array"}:
            depth -= 1
        yield event


def _parser_for(pieces: Iterable[bytes]) -> Any:  # noqa: ANN401 - a module of ijson's
    """The quick parser, unless there are letters written as two escaped halves.

    It puts a ? in the place of half a letter; the slower one keeps it, and its row is refused.
    """
    before = b""
    for piece in pieces:
        if ESCAPED_HALF.search(before + piece):
            return ijson.get_backend("python")
        before = piece[-4:]
    return ijson


def _text_cell(cell: str) -> Cell:
    text = cell.strip().strip(INVISIBLE).strip()
    if not text or all(unicodedata.category(each)[0] in "CZ" for each in text):
        return None
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip() or None  # how a table is told to leave a number as it is
    if text.startswith("'") and (text[1:2] in FORMULA_SIGNS or text[1:2].isdecimal()):
        return text[1:]  # likewise; our own export writes it before what looks like a formula
    return Spoilt.formula if text.startswith("=") else text


def _delimiter(lines: list[str]) -> str:
    """What parts most cells in a line that may be the headings'."""
    return max((",", "\t", ";", "|"), key=lambda sign: max(line.count(sign) for line in lines))


def _was_utf8(pieces: Iterable[bytes]) -> bool:
    """Tell whether a text that cannot be read as UTF-8 was some: cut off, damaged, or mixed.

    GB 18030 mostly fails as UTF-8 at its first Chinese letter, and hardly ever gives Chinese: one
    such letter needs two or three that are rare or rarely meet (璐 before 报), four in a row are
    not found. A failure at the very end is half a letter.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first = found = lost = 0
    for piece in pieces:
        text = decoder.decode(piece)
        if not lost:
            first += len(CHINESE.findall(text.partition("\ufffd")[0]))
        if first >= SURELY_UTF8 or FOUR_CHINESE.search(text):
            return True
        found += len(CHINESE.findall(text))
        lost += text.count("\ufffd")
    return lost == 0 or found > lost


SURELY_UTF8 = 2
"""Chinese letters before the first that cannot be read; a single one may be chance."""


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_ROW):
        if len(line) >= LONGEST_ROW:
            raise Unreadable(*ROW_TOO_LONG)
        yield line


class _LinesOfRecords:
    """Lines for who puts them together to records, which may be no longer than a row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._size = 0

    def __iter__(self) -> "_LinesOfRecords":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += len(line)
        if self._size > LONGEST_ROW:
            raise Unreadable(*ROW_TOO_LONG)
        return line

    def begin_record(self) -> None:
        """A record was read whole."""
        self._size = 0


class _Raw(io.RawIOBase):
    """Pieces as a file that is read from front to back."""

    def __init__(self, pieces: Iterable[bytes], consumed: Callable[[int], None]) -> None:
        self._pieces = iter(pieces)
        self._left = memoryview(b"")
        self._consumed = consumed

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        """Fill the buffer as far as the present piece goes."""
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        self._consumed(size)
        return size


class _Counting:
    """Pieces as ijson reads them, no further into one row than a row may be long."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._file = io.BufferedReader(_Raw(pieces, self._consume))
        self._read = 0
        self._row_began = 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if self._read - self._row_began > 2 * LONGEST_ROW:
            raise Unreadable(*ROW_TOO_LONG)
        return self._file.read(size)

    def begin_row(self) -> int:
        """A row was read; how many bytes that took from the beginning."""
        self._row_began = self._read
        return self._read

    def _consume(self, size: int) -> None:
        self._read += size


# No exceptions: one that is kept keeps the frames, and all in them, where it was raised last.
EMPTY: Refusal = ("empty_file", "The file holds no row", "文件中没有数据行")
ROW_TOO_LONG: Refusal = (
    "row_too_long",
    "A row is longer than a megabyte; is it one line a row?",
    "有一行超过 1 MB，请确认每行一条记录",
)
OVER_MANY_LINES: Refusal = (
    "malformed_json",
    "An object is written over many lines: send one object a line, or an array [{…}, {…}]",
    "一个 JSON 对象被写成了多行：请每行写一个完整的对象，或以数组 [{…}, {…}] 形式提交",
)
NEITHER_ENCODING: Refusal = (
    "unknown_encoding",
    "The text is neither UTF-8 nor GB 18030; save it as CSV UTF-8",
    "文本编码既不是 UTF-8 也不是 GB 18030，请另存为“CSV UTF-8”格式",
)
DAMAGED_TEXT: Refusal = (
    "unknown_encoding",
    "The text is cut off, damaged or mixes encodings; save it again as CSV UTF-8",
    "文本不完整、已损坏或混用了多种编码，请重新另存为“CSV UTF-8”格式",
)
TOO_DEEP: Refusal = (
    "too_deep",
    "The JSON is nested too deeply to be a row",
    "JSON 嵌套层级过深，无法作为数据行读取",
)
NO_HEADER: Refusal = (
    "no_header_row",
    "No row of headings was found among the first ten; use the template's",
    "前 10 行中未找到表头（如：主体名称、决定日期），请使用模板中的表头",
)
NOT_JSON = Fault(
    "",
    "malformed_json",
    Sentence("The line is no JSON in UTF-8", "该行不是有效的 JSON（须为 UTF-8 编码）"),
)
NOT_AN_OBJECT = Fault(
    "", "wrong_type", Sentence("A row is an object: {…}", "每行应为一个 JSON 对象：{…}")
)
TOO_MANY_CELLS = Fault(
    "",
    "too_many_cells",
    Sentence(
        "The row has more cells than there are headings; look for a comma or a cell out of place",
        "该行单元格多于表头列数，请检查是否有多余的逗号或错位",
    ),
)
