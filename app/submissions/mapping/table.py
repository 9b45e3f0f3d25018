"""A table of entries: its header is read once, then each row is mapped to a body.

The validation of the body follows elsewhere and is not repeated here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.law import Catalogue
from app.rules.text import fold_text, remove_formula_guard
from app.submissions.formats.cells import Cell
from app.submissions.mapping import exchange_fields, settlement
from app.submissions.mapping.columns import COLUMNS, POINTER_BY_KEY
from app.submissions.mapping.exchange_fields import NOTE_PREFIX, ExchangeKind
from app.submissions.mapping.header import HeaderColumn, is_blank_cell, read_header, redact_heading
from app.submissions.mapping.row_builder import MappedRow, RowBuilder
from app.submissions.mapping.values import OPEN_ENDED, ParsedRow, UnreadableCell

MAX_ROW_FAULTS = 20
"""Maximum number of faults reported for one row."""


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a table; `from_header` builds it."""

    header: tuple[str, ...]
    """The headings as sent, redacted and cut; "" for a column without a heading."""
    exchange_kind: ExchangeKind | None
    """Kind of the records of an exchange table; None for other tables."""
    is_own_export: bool
    """True for our own export, in which an empty last day means an open term."""
    _columns: tuple[HeaderColumn, ...]
    _default_column_by_pointer: Mapping[str, int]
    _list_type: str | None
    _catalogue: Catalogue

    @classmethod
    def from_header(
        cls,
        header: Sequence[Cell],
        *,
        list_type: str | None,
        catalogue: Catalogue,
    ) -> "Table":
        """Read a header; `list_type` is that of the request.

        Raises:
            InvalidPayload: with a fault for every heading that is unknown, repeated, a cell error
                or without a known unit (`/columns/N`, counted from 1), and for every required
                column that is missing (`/columns`); or the list type does not fit the table.
        """
        columns, faults = read_header(header)
        if faults:
            raise InvalidPayload(faults=faults)
        exchange_kind = _determine_exchange_kind(columns, list_type)
        if exchange_kind is not None:
            settlement.require_list_type(exchange_kind, list_type, catalogue)
        _require_columns({place.heading.key for place in columns}, exchange_kind, list_type)
        return cls(
            tuple(redact_heading(cell) for cell in header),
            exchange_kind,
            any(place.heading.key == "subject_identifiers" for place in columns),
            tuple(place for place in columns if place.heading.key != "ignored"),
            _find_default_columns(columns),
            list_type,
            catalogue,
        )

    def find_column(self, pointer: str, cells: Sequence[Cell] = ()) -> int | None:
        """Find the column (from 0) that a pointer of a body comes from.

        The columns of identifiers depend on the row: pass its cells.
        """
        return self.build_row(cells).find_column(pointer)

    def build_row(self, cells: Sequence[Cell], *, department: str | None = None) -> MappedRow:
        """Map a row; faulty cells become faults and never raise.

        `department` is the code of the submitting department.
        """
        parsed = ParsedRow()
        for column in self._columns:
            cell = cells[column.index] if column.index < len(cells) else None
            self._read_cell(column, cell, parsed)
        self._resolve(parsed, department)
        row = RowBuilder(parsed).build(self._default_column_by_pointer)
        row.faults.extend(
            islice(self._find_stray_cells(cells), MAX_ROW_FAULTS + 1)
        )  # one more than is reported
        return row

    def _read_cell(self, column: HeaderColumn, cell: Cell, parsed: ParsedRow) -> None:
        key = column.heading.key
        if self.is_own_export and isinstance(cell, str):
            cell = remove_formula_guard(cell)
        try:
            value = column.read_cell(cell)
        except UnreadableCell as unreadable:
            parsed.mark_unreadable(key, column.index, unreadable.code, unreadable.sentence)
            return
        if value is None and self.is_own_export and key == "effective_until":
            value = OPEN_ENDED
        if value is None:
            return
        parsed.add(key, value, column.index)
        if column.heading.edition is not None:
            parsed.editions.add(column.heading.edition)

    def _resolve(self, parsed: ParsedRow, department: str | None) -> None:
        self._resolve_list_type(parsed)
        if parsed.pop("status") == "removed" or parsed.pop("void"):
            column_index = parsed.columns.get("status", parsed.columns.get("void", 0))
            not_in_force = UnreadableCell(ProblemCode.not_in_force, settlement.NOT_IN_FORCE)
            parsed.row_faults.append(("", column_index, not_in_force))
        settlement.resolve_fields(parsed, self._catalogue, department, self.exchange_kind)
        if self.exchange_kind is not None:
            settlement.add_implied_values(parsed, self.exchange_kind, self._catalogue, department)
        if department is not None and "department" not in parsed.unreadable:
            parsed.values["department"] = department

    def _resolve_list_type(self, parsed: ParsedRow) -> None:
        list_type_text = parsed.pop("list_type")
        if list_type_text is not None:
            code = self._find_list_type_code(list_type_text)
            column_index = parsed.columns["list_type"]
            if code is None:
                parsed.mark_unreadable(
                    "list_type", column_index, ProblemCode.unknown_list_type, UNKNOWN_LIST_TYPE
                )
            elif self._list_type not in {None, code}:
                parsed.mark_unreadable(
                    "list_type", column_index, ProblemCode.other_list_type, OTHER_LIST_TYPE
                )
            else:
                parsed.values["list_type"] = code
        if self._list_type is not None and "list_type" not in parsed.unreadable:
            parsed.values["list_type"] = self._list_type

    def _find_list_type_code(self, text: str) -> str | None:
        list_types = self._catalogue.list_types
        if text in list_types:
            return text
        folded = fold_text(text)
        return next(
            (code for code, each in list_types.items() if fold_text(each.name) == folded),
            None,
        )

    def _find_stray_cells(self, cells: Sequence[Cell]) -> Iterator[Fault]:
        """Find cells without a heading; their meaning is unknown, so each is a fault."""
        for index, cell in enumerate(cells):
            has_heading = index < len(self.header) and self.header[index]
            if has_heading or is_blank_cell(cell):
                continue
            yield Fault(
                f"/columns/{index + 1}", ProblemCode.cell_without_heading, CELL_WITHOUT_HEADING
            )


UNKNOWN_LIST_TYPE = Sentence(
    "The catalogue has no such list type: write its code or its name",
    "目录中没有该名单类型：请填写名单类型的代码或全称",
)
OTHER_LIST_TYPE = Sentence(
    "The row names another list type than the one that was given with the submission",
    "该行的名单类型与提交时指定的名单类型不一致",
)
CELL_WITHOUT_HEADING = Sentence(
    "A cell below no heading: give its column a heading, or empty it",
    "该单元格所在列没有列名：请补填列名或清空该单元格",
)


def _determine_exchange_kind(
    columns: Iterable[HeaderColumn], list_type: str | None
) -> ExchangeKind | None:
    """Determine the kind of an exchange table; None for a table of ours.

    Raises:
        InvalidPayload: the table has columns of both penalties and licences.
    """
    headings = [place.heading for place in columns]
    kinds_by_code = {each.exchange_kind for each in headings if each.code is not None} - {None}
    if not kinds_by_code and not any(
        each.display_text in exchange_fields.EXCHANGE_ONLY_HEADINGS for each in headings
    ):
        return None
    kinds = kinds_by_code or {each.exchange_kind for each in headings} - {None}
    if len(kinds) > 1:
        mixed = Sentence(
            "The table has columns of penalties (CF_) and of licences (XK_): submit two tables",
            "表中同时有行政处罚（CF_）和行政许可（XK_）的列：请分成两个文件提交",
        )
        raise InvalidPayload(faults=[Fault("/columns", ProblemCode.mixed_tables, mixed)])
    ending = (list_type or "").rpartition(".")[2]
    kind_of_list_type = ExchangeKind(ending) if ending in set(ExchangeKind) else None
    return next(iter(kinds), kind_of_list_type)


REQUIRED_EXCHANGE_KEYS = ("name", "decision_number", "decided_on")


def _require_columns(
    keys: set[str], exchange_kind: ExchangeKind | None, list_type: str | None
) -> None:
    needed = [column.key for column in COLUMNS if column.required]
    if list_type is None:
        needed.insert(0, "list_type")
    if exchange_kind is not None:
        needed = list(REQUIRED_EXCHANGE_KEYS)
    heading_by_key = {column.key: column.heading for column in COLUMNS}
    faults = [
        Fault(
            "/columns",
            ProblemCode.column_missing,
            Sentence(f"The column {key} is missing", f"缺少列「{heading_by_key[key]}」"),
        )
        for key in needed
        if key not in keys
    ]
    if faults:
        raise InvalidPayload(faults=faults)


def _find_default_columns(columns: Iterable[HeaderColumn]) -> dict[str, int]:
    column_by_pointer: dict[str, int] = {}
    for column in columns:
        key = column.heading.key
        column_by_pointer.setdefault(
            "/remark"
            if key.startswith(NOTE_PREFIX)
            else POINTER_BY_KEY.get(key, f"/columns/{column.index + 1}"),
            column.index,
        )
        column_by_pointer[f"/columns/{column.index + 1}"] = column.index
    if "/source_ref" not in column_by_pointer and "/decision/number" in column_by_pointer:
        column_by_pointer["/source_ref"] = column_by_pointer[
            "/decision/number"
        ]  # built from it (`settlement.py`)
    for substitute in ("/licence/content", "/licence/document_name"):
        if substitute in column_by_pointer:
            column_by_pointer.setdefault("/reason", column_by_pointer[substitute])
    return column_by_pointer
