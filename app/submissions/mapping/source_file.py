"""A submitted file as rows, one at a time; the file is never whole in memory.

A row that cannot be read is yielded with its faults; the rows behind it are still read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cachetools import LRUCache
from pydantic import ValidationError

from app.entries.schemas import EntryPush
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.http.request_bodies import find_number_faults, list_parts
from app.http.validation import convert_validation_errors
from app.rules.law import Catalogue
from app.submissions.formats import own_export
from app.submissions.formats.byte_source import (
    ByteSource,
    ChunkReader,
    detect_encoding,
    detect_format,
)
from app.submissions.formats.cells import HEADER_SEARCH_ROWS, Cell
from app.submissions.formats.csv_records import read_csv_records
from app.submissions.formats.json_document import read_json_items
from app.submissions.formats.ndjson import JsonItem, read_ndjson_items
from app.submissions.formats.refusals import EMPTY, HEADER_NOT_FOUND, UnreadableFile
from app.submissions.formats.xlsx.reader import read_workbook
from app.submissions.mapping.header import is_header
from app.submissions.mapping.table import Table
from app.submissions.schemas import FileFormat

MAX_REFERENCE_LENGTH = 80
MAX_CACHED_KEY_SETS = 20
"""Number of different key sets of one file whose tables are cached."""


class SourceRow(NamedTuple):
    """One row as it was sent.

    Attributes:
        number: the number that the sender sees: line, position in the array, row of the sheet.
        body: the value for `POST /v1/entries`; None if nothing could be read.
        faults: faults found while reading, by pointers into the body.
        cells: the cells, if the row is of a table.
        find_heading: returns the heading of the column that a pointer of the body came from.
    """

    number: int
    body: Any
    faults: tuple[Fault, ...] = ()
    cells: tuple[Cell, ...] = ()
    find_heading: Callable[[str], str | None] = lambda _: None

    @property
    def reference(self) -> str | None:
        """The `source_ref` of the row; None if it is no text of a permitted length."""
        value = self.body.get("source_ref") if isinstance(self.body, dict) else None
        if not isinstance(value, str) or len(value) > MAX_REFERENCE_LENGTH:
            return None
        return value.strip()

    def without_content(self) -> "SourceRow":
        """Return the row with no more than its result needs, because many are kept in memory."""
        return self._replace(body={"source_ref": self.reference}, cells=())

    def build_push(
        self, *, list_type: str | None, department: str | None
    ) -> EntryPush | InvalidPayload:
        """Build the push of the row for the list and department of a submission, or its faults."""
        if not isinstance(self.body, dict):
            return InvalidPayload(faults=self.faults)
        body, faults = dict(self.body), [*self.faults]
        for name, expected in (("list_type", list_type), ("department", department)):
            if expected is not None and body.setdefault(name, expected) != expected:
                faults.append(
                    Fault(f"/{name}", ProblemCode(f"{name}_differs"), DIFFERENCE_SENTENCES[name])
                )
        try:
            push = EntryPush.model_validate(body)
        except ValidationError as error:
            invalid = convert_validation_errors(
                {**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)
            )
            faults += [item for item in invalid.faults if not _is_reported(item, self.faults)]
            # The results of a refused row are kept too, and show its reference.
            return InvalidPayload(faults=[*faults, *find_number_faults(list_parts(body))])
        except InvalidPayload as refusal:  # a text holds a number of the row
            return InvalidPayload(faults=[*faults, *refusal.faults])
        return InvalidPayload(faults=faults) if faults else push


def _is_reported(fault: Fault, reported: Sequence[Fault]) -> bool:
    # A cell that could not be converted was left out, so its field is reported as missing too.
    return any(
        fault.pointer == item.pointer or item.pointer.startswith(f"{fault.pointer}/")
        for item in reported
        if item.pointer
    )


@dataclass(slots=True)
class SourceFile:
    """A file to read, with the list type and the department of its submission."""

    read_chunks: ChunkReader
    catalogue: Catalogue
    list_type: str | None
    department: str | None
    on_wait: Callable[[], None] = lambda: None
    """Called from time to time while no row is yielded: in large workbooks, at blank rows."""
    format: FileFormat | None = field(init=False, default=None)
    table: Table | None = field(init=False, default=None)
    _source: ByteSource = field(init=False)
    _encoding: str | None = field(init=False, default=None)
    _table_by_keys: LRUCache[tuple[str, ...], Table | InvalidPayload] = field(
        init=False, default_factory=lambda: LRUCache(MAX_CACHED_KEY_SETS)
    )

    def __post_init__(self) -> None:
        self._source = ByteSource(self.read_chunks)

    @property
    def bytes_read(self) -> int:
        """Number of bytes read so far, of the file as it was sent."""
        return self._source.bytes_read

    def read_rows(self) -> Iterator[SourceRow]:
        """Read every row in order, from the beginning of the file.

        Raises:
            InvalidPayload: the file cannot be read, or cannot be read any further.
        """
        self._source.bytes_read, self.table = 0, None
        self.format = detect_format(self._source.first_chunk)
        row = None
        for row in self._read_rows_of_format(self.format):
            yield row
        if row is None:
            raise UnreadableFile(*EMPTY)

    def _read_rows_of_format(self, file_format: FileFormat) -> Iterator[SourceRow]:
        match file_format:
            case FileFormat.ndjson:
                return map(self._build_json_row, read_ndjson_items(self._source))
            case FileFormat.json:
                return map(self._build_json_row, read_json_items(self._source))
            case FileFormat.csv:
                if self._encoding is None:
                    self._encoding = detect_encoding(self._source)
                return self._read_table_rows(read_csv_records(self._source, self._encoding))
            case FileFormat.xlsx:
                return self._read_table_rows(
                    read_workbook(self.read_chunks(), is_header=is_header, on_wait=self.on_wait)
                )

    # --- JSON ------------------------------------------------------------

    def _build_json_row(self, item: JsonItem) -> SourceRow:
        number, value, fault = item
        if fault is not None:
            return SourceRow(number, None, (fault,))
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
        """Find the table that a flat object is a row of, or its faults; None if it is a push.

        A system can send the columns of its own table: {"CF_WSH": "…", "CF_JDRQ": "…"}.
        """
        if any(isinstance(value, dict | list) for value in item.values()):
            return None
        keys = tuple(item)
        if keys not in self._table_by_keys:
            # Some headings are also fields of a push, and a faulty push may be flat.
            if not is_header([key for key in keys if key not in EntryPush.model_fields]):
                return None
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
DIFFERENCE_SENTENCES = {
    "list_type": Sentence(
        "The row names another list type than the submission", "该行的名单类型与本批次不一致"
    ),
    "department": Sentence(
        "The row names another department than the submission", "该行的认定部门与本批次不一致"
    ),
}
