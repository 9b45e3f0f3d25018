"""A table of entries: its header is understood once, each of its rows then read with it.

What the check of a body tells is not checked here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.errors import Fault, InvalidPayload, Sentence
from app.rules.law import Catalogue
from app.submissions.formats.cells import Cell
from app.submissions.mapping import exchange_fields, values
from app.submissions.mapping.columns import COLUMNS, POINTERS
from app.submissions.mapping.exchange_fields import NOTE, Family
from app.submissions.mapping.header import Place, blank, read_header, tellable
from app.submissions.mapping.row_builder import Assembly, Row
from app.submissions.mapping.values import OPEN, Said, Unreadable

ROW_FAULTS = 20
"""So many faults of one row are told."""


@dataclass(frozen=True, slots=True)
class Table:
    """A header that was understood; `of` makes one."""

    header: tuple[str, ...]
    """The headings as sent, cut to what may be repeated; "" where there is none."""
    family: Family | None
    """Of an exchange table, what its records are of."""
    exported: bool
    """Whether it is an export of ours: there an empty last day says that the term is open."""
    _places: tuple[Place, ...]
    _usual: Mapping[str, int]
    _list_type: str | None
    _catalogue: Catalogue

    @classmethod
    def of(
        cls,
        header: Sequence[Cell],
        *,
        list_type: str | None,
        catalogue: Catalogue,
    ) -> "Table":
        """Understand a header; `list_type` is the one that the request names.

        Raises:
            InvalidPayload: with a fault for every heading that is unknown, stands twice, is spoilt
                or names no unit that we know (`/columns/N`, counted from 1), and for every needed
                one that is missing (`/columns`); or the list type does not take such a table.
        """
        places, faults = read_header(header)
        if faults:
            raise InvalidPayload(faults=faults)
        family = _family(places, list_type)
        if family is not None:
            exchange_fields.require_list_type(family, list_type, catalogue)
        _require_columns({place.heading.key for place in places}, family, list_type)
        return cls(
            tuple(tellable(cell) for cell in header),
            family,
            any(place.heading.key == "subject_identifiers" for place in places),
            tuple(place for place in places if place.heading.key != "ignored"),
            _usual_sources(places),
            list_type,
            catalogue,
        )

    def body(
        self, cells: Sequence[Cell], *, department: str | None = None
    ) -> tuple[dict[str, Any], list[Fault]]:
        """What a row says, and what is wrong with it already (see `row`)."""
        row = self.row(cells, department=department)
        return row.body, row.faults

    def column_of(self, pointer: str, cells: Sequence[Cell] = ()) -> int | None:
        """The column (from 0) that a place in a body came from, or would have.

        Which number of a subject stood where depends on the row: give its cells.
        """
        return self.row(cells).column_of(pointer)

    def row(self, cells: Sequence[Cell], *, department: str | None = None) -> Row:
        """Read a row; never raises, whatever the cells hold.

        `department` is the code of the one that submits it.
        """
        said = Said()
        for place in self._places:
            cell = cells[place.index] if place.index < len(cells) else None
            self._read(place, cell, said)
        self._settle(said, department)
        row = Assembly(said).row(self._usual)
        row.faults.extend(islice(self._strays(cells), ROW_FAULTS + 1))  # one more than are told
        return row

    def _read(self, place: Place, cell: Cell, said: Said) -> None:
        key = place.heading.key
        if self.exported and isinstance(cell, str):
            cell = _unguarded(cell)
        try:
            value = place.read(cell)
        except Unreadable as unreadable:
            said.refuse(key, place.index, unreadable.code, unreadable.sentence)
            return
        if value is None and self.exported and key == "effective_until":
            value = OPEN
        if value is None:
            return
        said.add(key, value, place.index)
        if place.heading.generation is not None:
            said.written.add(place.heading.generation)

    def _settle(self, said: Said, department: str | None) -> None:
        self._settle_list_type(said)
        if said.take("status") == "removed" or said.take("void"):
            place = said.places.get("status", said.places.get("void", 0))
            ended = Unreadable("not_in_force", exchange_fields.ENDED)
            said.refused.append(("", place, ended))
        exchange_fields.settle(said, self._catalogue, department, self.family)
        if self.family is not None:
            exchange_fields.complete(said, self.family, self._catalogue, department)
        if department is not None and "department" not in said.unread:
            said.values["department"] = department

    def _settle_list_type(self, said: Said) -> None:
        written = said.take("list_type")
        if written is not None:
            code = self._list_type_code(written)
            place = said.places["list_type"]
            if code is None:
                said.refuse("list_type", place, "unknown_list_type", UNKNOWN_LIST_TYPE)
            elif self._list_type not in {None, code}:
                said.refuse("list_type", place, "other_list_type", OTHER_LIST_TYPE)
            else:
                said.values["list_type"] = code
        if self._list_type is not None and "list_type" not in said.unread:
            said.values["list_type"] = self._list_type

    def _list_type_code(self, written: str) -> str | None:
        known = self._catalogue.list_types
        if written in known:
            return written
        wanted = values.folded(written)
        return next(
            (code for code, each in known.items() if values.folded(each.name) == wanted), None
        )

    def _strays(self, cells: Sequence[Cell]) -> Iterator[Fault]:
        """Cells below no heading: nobody knows what they say, and nothing is dropped unseen."""
        for index, cell in enumerate(cells):
            headed = index < len(self.header) and self.header[index]
            if headed or blank(cell):
                continue
            yield Fault(f"/columns/{index + 1}", "cell_without_heading", NO_HEADING)


UNKNOWN_LIST_TYPE = Sentence(
    "The catalogue has no such list type: write its code or its name",
    "目录中没有该名单类型：请填写名单类型的代码或全称",
)
OTHER_LIST_TYPE = Sentence(
    "The row names another list type than the one that was given with the submission",
    "该行的名单类型与提交时指定的名单类型不一致",
)
NO_HEADING = Sentence(
    "A cell below no heading: give its column a heading, or empty it",
    "该单元格所在列没有列名：请补填列名或清空该单元格",
)
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def _unguarded(text: str) -> str:
    """Undo what our export puts before a text that a spreadsheet would take for a formula.

    A text that itself begins with such a quote and sign is exported as it is, and so cannot be told
    from one that the export guarded: it comes back without the quote (JSON exports keep it).
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text


def _family(places: Iterable[Place], list_type: str | None) -> Family | None:
    """What an exchange table is about; None of a table of ours.

    Raises:
        InvalidPayload: it has columns of both penalties and licences.
    """
    headings = [place.heading for place in places]
    by_code = {each.family for each in headings if each.code is not None} - {None}
    if not by_code and not any(each.shown in exchange_fields.MARKS for each in headings):
        return None
    families = by_code or {each.family for each in headings} - {None}
    if len(families) > 1:
        mixed = Sentence(
            "The table has columns of penalties (CF_) and of licences (XK_): submit two tables",
            "表中同时有行政处罚（CF_）和行政许可（XK_）的列：请分成两个文件提交",
        )
        raise InvalidPayload(faults=[Fault("/columns", "mixed_tables", mixed)])
    ending = (list_type or "").rpartition(".")[2]
    told_by_list_type = Family(ending) if ending in set(Family) else None
    return next(iter(families), told_by_list_type)


ALWAYS_IN_EXCHANGE = ("name", "decision_number", "decided_on")


def _require_columns(keys: set[str], family: Family | None, list_type: str | None) -> None:
    needed = [column.key for column in COLUMNS if column.required]
    if list_type is None:
        needed.insert(0, "list_type")
    if family is not None:
        needed = list(ALWAYS_IN_EXCHANGE)
    shown = {column.key: column.heading for column in COLUMNS}
    faults = [
        Fault(
            "/columns",
            "column_missing",
            Sentence(f"The column {key} is missing", f"缺少列「{shown[key]}」"),
        )
        for key in needed
        if key not in keys
    ]
    if faults:
        raise InvalidPayload(faults=faults)


def _usual_sources(places: Iterable[Place]) -> dict[str, int]:
    usual: dict[str, int] = {}
    for place in places:
        key = place.heading.key
        usual.setdefault(
            "/remark" if key.startswith(NOTE) else POINTERS.get(key, f"/columns/{place.index + 1}"),
            place.index,
        )
        usual[f"/columns/{place.index + 1}"] = place.index
    if "/source_ref" not in usual and "/decision/number" in usual:
        usual["/source_ref"] = usual["/decision/number"]  # made of it (`exchange.py`)
    for standing_in in ("/licence/content", "/licence/document_name"):
        if standing_in in usual:
            usual.setdefault("/reason", usual[standing_in])
    return usual
