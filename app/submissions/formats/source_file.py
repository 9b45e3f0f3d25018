"""From the bytes of a file to its rows: what it is, one row at a time, never whole in memory.

Nothing is guessed: a file is what its first bytes show, a text is UTF-8 or else GB 18030 from its
first byte to its last, and a row that cannot be read is a row with an answer.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

import ijson
import orjson

from app.entries.schemas import EntryPush
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.law import Catalogue
from app.rules.text import is_blank, strip_invisible
from app.submissions.formats import own_export, xlsx
from app.submissions.formats.cells import Cell, CellError
from app.submissions.mapping.header import is_header, is_trailer
from app.submissions.mapping.table import Table
from app.submissions.schemas import FileFormat

MAX_ROW_SIZE = 1_000_000
"""Bytes of one row of JSON, or characters of one record of CSV, over however many lines."""
MAX_DEPTH = 100
"""Arrays and objects within each other; a row needs six."""
HEADER_SEARCH_ROWS = 10
"""A title or a note may stand above the headings, but not a page of them."""
ZIP_SIGNATURE, OLE_SIGNATURE, UTF16_BOMS = (
    b"PK",
    b"\xd0\xcf\x11\xe0",
    (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
)
UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)  # of which one begins as UTF-16 does
CHINESE_CHARACTER = re.compile("[\u3000-\u9fff\uff00-\uffef]")
FOUR_CHINESE_CHARACTERS = re.compile(CHINESE_CHARACTER.pattern + "{4}")
MAX_CACHED_KEY_SETS = 20
"""So many different sets of keys of one file are remembered, each with the table that it makes."""
CONTINUED_LINE_ENDS = (b"{", b"[", b",", b":")
"""How a line ends behind which its object goes on."""
ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
FORMULA_SIGNS = tuple("=+-@")

ChunkReader = Callable[[], Iterable[bytes]]
"""The file from its beginning, piece by piece; it may be asked for more than once."""


class SourceRow(NamedTuple):
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
    find_heading: Callable[[str], str | None] = lambda _: None


FileRefusal = tuple[ProblemCode, str, str]
"""A code, and the sentence in English and in Chinese."""


class UnreadableFile(InvalidPayload):
    """The file cannot be read, or not beyond some row."""

    def __init__(self, code: ProblemCode, en: str, zh: str) -> None:
        super().__init__(faults=[Fault("", code, Sentence(en, zh))])


@dataclass(slots=True)
class SourceFile:
    """A file to be read, for the list and the department that its sender named."""

    read_chunks: ChunkReader
    catalogue: Catalogue
    list_type: str | None
    department: str | None
    on_wait: Callable[[], None] = lambda: None
    """Called now and then while nothing comes of the file: of a large workbook, of blank rows."""
    format: FileFormat | None = field(init=False, default=None)
    table: Table | None = field(init=False, default=None)
    bytes_read: int = field(init=False, default=0)
    """How many of its bytes were read by now."""
    _table_by_keys: dict[tuple[str, ...], Table | InvalidPayload] = field(
        init=False, default_factory=dict
    )

    def read_rows(self) -> Iterator[SourceRow]:
        """Every row in order.

        Raises:
            InvalidPayload: the file cannot be read, or not any further.
        """
        self.bytes_read, self.table = 0, None
        self.format = detect_format(next(iter(self.read_chunks()), b""))
        row = None
        for row in self._read_rows_of_format(self.format):
            yield row
        if row is None:
            raise UnreadableFile(*EMPTY)

    def _read_rows_of_format(self, file_format: FileFormat) -> Iterator[SourceRow]:
        match file_format:
            case FileFormat.ndjson:
                return self._read_ndjson_rows()
            case FileFormat.json:
                return self._read_json_rows()
            case FileFormat.csv:
                return self._read_table_rows(self._read_csv_records())
            case FileFormat.xlsx:
                return self._read_table_rows(
                    xlsx.read_workbook(
                        self.read_chunks(), is_header=is_header, on_wait=self.on_wait
                    )
                )

    # --- JSON ------------------------------------------------------------

    def _read_ndjson_rows(self) -> Iterator[SourceRow]:
        self._require_object_per_line()
        trailer = own_export.TrailerVerifier()
        for number, line in enumerate(self._split_lines(), start=1):
            if not line or line.isspace():
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                yield SourceRow(number, None, (LINE_NOT_JSON,))
                continue
            if trailer.is_trailer(value):
                trailer.require_complete(value)
                continue
            trailer.add_line(line)
            yield self._build_json_row(number, value)

    def _require_object_per_line(self) -> None:
        """Refuse one object that is written over many lines; it would be a refusal for each."""
        lines = (line for line in self._split_lines() if line and not line.isspace())
        first = next(lines, b"")
        if first.rstrip().endswith(CONTINUED_LINE_ENDS):
            second = next(lines, None)  # where it is a row, only the first is damaged
            if second is not None and not _is_object(second):
                raise UnreadableFile(*OBJECT_OVER_MANY_LINES)
        self.bytes_read = 0

    def _split_lines(self) -> Iterator[bytes]:
        remainder = b""
        for number, chunk in enumerate(self.read_chunks()):
            content = chunk.removeprefix(codecs.BOM_UTF8) if number == 0 else chunk
            *lines, remainder = (remainder + content).split(b"\n")
            for line in lines:
                self.bytes_read += len(line) + 1
                yield line
            if len(remainder) > MAX_ROW_SIZE:
                raise UnreadableFile(*ROW_TOO_LONG)
        if remainder:
            self.bytes_read += len(remainder)
            yield remainder

    def _read_json_rows(self) -> Iterator[SourceRow]:
        source = _BoundedRowReader(self.read_chunks())
        number = 0
        try:
            item_path = own_export.ITEM_PATHS[self._is_json_export()]
            events = _choose_parser(self.read_chunks()).basic_parse(source, use_float=True)
            items = ijson.items(ijson.parse(_limit_depth(events)), item_path)
            for number, item in enumerate(items, start=1):
                self.bytes_read = source.begin_row()
                yield self._build_json_row(number, item)
        except (ijson.JSONError, ValueError):  # letters that are none are a ValueError
            raise UnreadableFile(
                ProblemCode.malformed_json,
                f"The JSON breaks off or is damaged behind item {number}",
                f"第 {number} 项之后的 JSON 不完整或已损坏",
            ) from None
        if self._is_json_export():
            file = io.BufferedReader(_ChunkStream(self.read_chunks(), lambda _: None))
            for trailer in ijson.items(file, "trailer"):
                own_export.require_count((trailer, own_export.read_row_count(trailer)), number)

    def _is_json_export(self) -> bool:
        return (
            next(iter(self.read_chunks()), b"").removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"
        )

    def _build_json_row(self, number: int, value: Any) -> SourceRow:  # noqa: ANN401 - any JSON value
        if not isinstance(value, dict):
            return SourceRow(number, None, (ROW_NOT_AN_OBJECT,))
        if own_export.is_exported_entry(value):
            body, faults = own_export.build_push(value)
            return SourceRow(number, body, tuple(faults))
        table = self._find_table_for_keys(value)
        if table is None:
            return SourceRow(number, value)
        if isinstance(table, InvalidPayload):
            return SourceRow(number, None, table.faults)
        return self._build_table_row(table, number, list(value.values()))

    def _find_table_for_keys(self, item: dict[str, Any]) -> Table | InvalidPayload | None:
        """The table that a flat object is a row of, or why it is of none; None where it is a push.

        So a system sends what its own table holds: {"CF_WSH": "…", "CF_JDRQ": "…"}.
        """
        if any(isinstance(value, dict | list) for value in item.values()):
            return None
        keys = tuple(item)
        if keys not in self._table_by_keys:
            # Some of our headings are also fields of a push, which may lack what is no plain value.
            if not is_header([key for key in keys if key not in EntryPush.model_fields]):
                return None
            if len(self._table_by_keys) >= MAX_CACHED_KEY_SETS:
                self._table_by_keys.clear()
            try:
                table = Table.from_header(keys, list_type=self.list_type, catalogue=self.catalogue)
            except InvalidPayload as refusal:
                self._table_by_keys[keys] = refusal
            else:
                self._table_by_keys[keys] = table
        return self._table_by_keys[keys]

    # --- tables ----------------------------------------------------------

    def _read_table_rows(self, records: Iterator[tuple[int, list[Cell]]]) -> Iterator[SourceRow]:
        rows_above_header = 0
        for number, cells in records:
            if self.table is None:
                if is_header(cells):
                    self.table = Table.from_header(
                        cells, list_type=self.list_type, catalogue=self.catalogue
                    )
                elif (rows_above_header := rows_above_header + 1) >= HEADER_SEARCH_ROWS:
                    raise UnreadableFile(*HEADER_NOT_FOUND)
            elif any(cell is not None for cell in cells):
                yield self._build_table_row(self.table, number, cells)
            else:
                self.on_wait()
        if self.table is None and rows_above_header:
            raise UnreadableFile(*HEADER_NOT_FOUND)

    def _build_table_row(self, table: Table, number: int, cells: list[Cell]) -> SourceRow:
        if any(cell is not None for cell in cells[len(table.header) :]):
            return SourceRow(number, None, (TOO_MANY_CELLS,), tuple(cells))
        mapped = table.build_row(cells, department=self.department)

        def find_heading(pointer: str) -> str | None:
            column_index = mapped.find_column(pointer)
            return None if column_index is None else table.header[column_index]

        return SourceRow(number, mapped.body, tuple(mapped.faults), tuple(cells), find_heading)

    def _read_csv_records(self) -> Iterator[tuple[int, list[Cell]]]:
        text = io.TextIOWrapper(
            io.BufferedReader(_ChunkStream(self.read_chunks(), self._add_bytes_read)),
            encoding=self._detect_encoding(),
            newline="",
        )
        bounded_lines = _read_bounded_lines(text)
        first_lines = list(islice(bounded_lines, HEADER_SEARCH_ROWS))
        lines = _BoundedRecordLines(chain(first_lines, bounded_lines))
        records = csv.reader(lines, delimiter=_detect_delimiter(first_lines), strict=True)
        number = 0
        try:
            for number, record in enumerate(records, start=1):
                lines.begin_record()
                cells = [_parse_csv_cell(cell) for cell in record]
                if is_trailer(cells):
                    own_export.require_count(cells, number - 2)  # neither the headings nor itself
                    if any(
                        _parse_csv_cell(cell) is not None for behind in records for cell in behind
                    ):
                        raise InvalidPayload(faults=[own_export.INCOMPLETE_EXPORT])
                    return
                yield number, cells
        except csv.Error:
            raise UnreadableFile(
                ProblemCode.malformed_csv,
                f"The table cannot be read behind row {number}; look for an unpaired quote",
                f"第 {number} 行之后无法读取，请检查引号是否成对",
            ) from None

    def _add_bytes_read(self, size: int) -> None:
        self.bytes_read += size

    def _detect_encoding(self) -> str:
        start = next(iter(self.read_chunks()), b"")
        if start.startswith(UTF32_BOMS):
            raise UnreadableFile(*UNKNOWN_ENCODING)
        if start.startswith(UTF16_BOMS):
            if self._is_encoded_in("utf-16"):
                return "utf-16"
            raise UnreadableFile(*UNKNOWN_ENCODING)
        if self._is_encoded_in("utf-8"):
            return "utf-8-sig"
        if start.startswith(codecs.BOM_UTF8) or _is_damaged_utf8(self.read_chunks()):
            raise UnreadableFile(*DAMAGED_TEXT)
        if self._is_encoded_in("gb18030"):
            return "gb18030"
        raise UnreadableFile(*UNKNOWN_ENCODING)

    def _is_encoded_in(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for chunk in self.read_chunks():
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True


def detect_format(start: bytes) -> FileFormat:
    """What a file is, by its first bytes.

    Raises:
        InvalidPayload: it is empty, or of a kind that is known not to be taken.
    """
    content = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if not content:
        raise UnreadableFile(*EMPTY)
    if start.startswith((ZIP_SIGNATURE, OLE_SIGNATURE)):
        return FileFormat.xlsx  # what it really is, its reader says
    if start.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
        raise UnreadableFile(
            ProblemCode.not_a_table,
            "This is a document or a picture; send a table (XLSX, CSV) or JSON",
            "这是文档或图片，请提交表格（XLSX、CSV）或 JSON 文件",
        )
    if content.startswith(b"["):
        return FileFormat.json
    if content.startswith(b"{"):
        # The one object that an export in JSON is begins so; any other begins a line.
        return FileFormat.json if own_export.is_export_document(content) else FileFormat.ndjson
    return FileFormat.csv


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _limit_depth(events: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    # Whoever follows them keeps the path to each: that of 100,000 brackets would fill the memory.
    depth = 0
    for event in events:
        if event[0] in {"start_map", "start_array"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise UnreadableFile(*TOO_DEEP)
        elif event[0] in {"end_map", "end_array"}:
            depth -= 1
        yield event


def _choose_parser(chunks: Iterable[bytes]) -> Any:  # noqa: ANN401 - a module of ijson's
    """The quick parser, unless there are letters written as two escaped halves.

    It puts a ? in the place of half a letter; the slower one keeps it, and its row is refused.
    """
    previous_end = b""
    for chunk in chunks:
        if ESCAPED_SURROGATE.search(previous_end + chunk):
            return ijson.get_backend("python")
        previous_end = chunk[-4:]
    return ijson


def _parse_csv_cell(cell: str) -> Cell:
    text = strip_invisible(cell)
    if is_blank(text):
        return None
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1].strip() or None  # how a table is told to leave a number as it is
    if text.startswith("'") and (text[1:2] in FORMULA_SIGNS or text[1:2].isdecimal()):
        return text[1:]  # likewise; our own export writes it before what looks like a formula
    return CellError.formula if text.startswith("=") else text


def _detect_delimiter(lines: list[str]) -> str:
    """What parts most cells in a line that may be the headings'."""
    return max((",", "\t", ";", "|"), key=lambda sign: max(line.count(sign) for line in lines))


def _is_damaged_utf8(chunks: Iterable[bytes]) -> bool:
    """Tell whether a text that cannot be read as UTF-8 was some: cut off, damaged, or mixed.

    GB 18030 mostly fails as UTF-8 at its first Chinese letter, and hardly ever gives Chinese: one
    such letter needs two or three that are rare or rarely meet (璐 before 报), four in a row are
    not found. A failure at the very end is half a letter.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    found_before_damage = found = damaged = 0
    for chunk in chunks:
        text = decoder.decode(chunk)
        if not damaged:
            found_before_damage += len(CHINESE_CHARACTER.findall(text.partition("\ufffd")[0]))
        if found_before_damage >= MIN_CHINESE_FOR_UTF8 or FOUR_CHINESE_CHARACTERS.search(text):
            return True
        found += len(CHINESE_CHARACTER.findall(text))
        damaged += text.count("\ufffd")
    return damaged == 0 or found > damaged


MIN_CHINESE_FOR_UTF8 = 2
"""Chinese letters before the first that cannot be read; a single one may be chance."""


def _read_bounded_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_ROW_SIZE):
        if len(line) >= MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        yield line


class _BoundedRecordLines:
    """Lines for who puts them together to records, which may be no longer than a row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._size = 0

    def __iter__(self) -> "_BoundedRecordLines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += len(line)
        if self._size > MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        return line

    def begin_record(self) -> None:
        """A record was read whole."""
        self._size = 0


class _ChunkStream(io.RawIOBase):
    """Pieces as a file that is read from front to back."""

    def __init__(self, chunks: Iterable[bytes], on_read: Callable[[int], None]) -> None:
        self._chunks = iter(chunks)
        self._remaining = memoryview(b"")
        self._on_read = on_read

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer
        """Fill the buffer as far as the present piece goes."""
        if not self._remaining:
            self._remaining = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._remaining))
        buffer[:size], self._remaining = self._remaining[:size], self._remaining[size:]
        self._on_read(size)
        return size


class _BoundedRowReader:
    """Pieces as ijson reads them, no further into one row than a row may be long."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._file = io.BufferedReader(_ChunkStream(chunks, self._add_bytes_read))
        self._bytes_read = 0
        self._row_start = 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if self._bytes_read - self._row_start > 2 * MAX_ROW_SIZE:
            raise UnreadableFile(*ROW_TOO_LONG)
        return self._file.read(size)

    def begin_row(self) -> int:
        """A row was read; how many bytes that took from the beginning."""
        self._row_start = self._bytes_read
        return self._bytes_read

    def _add_bytes_read(self, size: int) -> None:
        self._bytes_read += size


# No exceptions: one that is kept keeps the frames, and all in them, where it was raised last.
EMPTY: FileRefusal = (ProblemCode.empty_file, "The file holds no row", "文件中没有数据行")
ROW_TOO_LONG: FileRefusal = (
    ProblemCode.row_too_long,
    "A row is longer than a megabyte; is it one line a row?",
    "有一行超过 1 MB，请确认每行一条记录",
)
OBJECT_OVER_MANY_LINES: FileRefusal = (
    ProblemCode.malformed_json,
    "An object is written over many lines: send one object a line, or an array [{…}, {…}]",
    "一个 JSON 对象被写成了多行：请每行写一个完整的对象，或以数组 [{…}, {…}] 形式提交",
)
UNKNOWN_ENCODING: FileRefusal = (
    ProblemCode.unknown_encoding,
    "The text is neither UTF-8 nor GB 18030; save it as CSV UTF-8",
    "文本编码既不是 UTF-8 也不是 GB 18030，请另存为“CSV UTF-8”格式",
)
DAMAGED_TEXT: FileRefusal = (
    ProblemCode.unknown_encoding,
    "The text is cut off, damaged or mixes encodings; save it again as CSV UTF-8",
    "文本不完整、已损坏或混用了多种编码，请重新另存为“CSV UTF-8”格式",
)
TOO_DEEP: FileRefusal = (
    ProblemCode.too_deep,
    "The JSON is nested too deeply to be a row",
    "JSON 嵌套层级过深，无法作为数据行读取",
)
HEADER_NOT_FOUND: FileRefusal = (
    ProblemCode.no_header_row,
    "No row of headings was found among the first ten; use the template's",
    "前 10 行中未找到表头（如：主体名称、决定日期），请使用模板中的表头",
)
LINE_NOT_JSON = Fault(
    "",
    ProblemCode.malformed_json,
    Sentence("The line is no JSON in UTF-8", "该行不是有效的 JSON（须为 UTF-8 编码）"),
)
ROW_NOT_AN_OBJECT = Fault(
    "", ProblemCode.wrong_type, Sentence("A row is an object: {…}", "每行应为一个 JSON 对象：{…}")
)
TOO_MANY_CELLS = Fault(
    "",
    ProblemCode.too_many_cells,
    Sentence(
        "The row has more cells than there are headings; look for a comma or a cell out of place",
        "该行单元格多于表头列数，请检查是否有多余的逗号或错位",
    ),
)
