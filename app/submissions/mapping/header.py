"""A header row understood: every heading known, or named with the nearest that is."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import Fault, Sentence
from app.rules.personal_numbers import contains_personal_number
from app.submissions.formats.cells import Cell, Spoilt
from app.submissions.mapping import exchange_fields, values
from app.submissions.mapping.columns import AMOUNTS, COLUMNS, IGNORED, MORE, READERS
from app.submissions.mapping.exchange_fields import NOTE, Family, Generation
from app.submissions.mapping.values import SPOILT, WAN, YUAN


@dataclass(frozen=True, slots=True)
class Heading:
    """What a heading means, and how we write it."""

    key: str
    shown: str
    code: str | None = None
    family: Family | None = None
    generation: Generation | None = None


BRACKETS = re.compile(r"[(\[{【〔]([^()\[\]{}【】〔〕]*)[)\]}】〕]")
BESIDE = re.compile(
    r"必填|选填|可选|非必填|可不填|条件必填|如有|例.*|格式.*|单位.*|.*元|[0-9]+位|[ymd年月日/.-]+|文本|日期|数字"
)
"""What stands in brackets without changing what the heading means: units, forms, whether needed."""
UNIT = re.compile(r"(?:单位:?)?(?:人民币)?(.*元)")
WRITTEN_UNIT = re.compile("万?元$")


def _squeezed(text: str) -> str:
    return "".join(each for each in values.folded(text) if each.isalnum())


def _known() -> Iterator[tuple[str, Heading]]:
    for column in COLUMNS:
        for written in (column.key, column.heading, *column.aliases):
            yield written, Heading(column.key, column.heading)
    for each in (*MORE, *exchange_fields.FIELDS):
        for code in each.codes:
            yield code, Heading(
                each.key, code, code, exchange_fields.family_of_code(code),
                exchange_fields.generation_of_code(code),
            )  # fmt: skip
        generations = {exchange_fields.generation_of_code(code) for code in each.codes}
        only = generations.pop() if len(generations) == 1 else None
        for written in each.headings:
            yield written, Heading(each.key, written, None, each.family, only)
    for written in IGNORED:
        yield written, Heading("ignored", written)


def forms(text: str) -> Iterator[str]:
    """The heading squeezed as it stands, without what is beside the point, without its unit."""
    written = unicodedata.normalize("NFKC", text)
    yield _squeezed(written)
    bare = _squeezed(BRACKETS.sub(lambda found: "" if _beside(found[1]) else found[0], written))
    yield bare
    yield WRITTEN_UNIT.sub("", bare)


def _beside(bracketed: str) -> bool:
    return BESIDE.fullmatch(values.folded(bracketed)) is not None


HEADINGS: Mapping[str, Heading] = {
    form: heading for written, heading in _known() for form in list(forms(written))[:2]
}
"""By their squeezed form."""


def _understood(cell: Cell) -> Heading | None:
    if not isinstance(cell, str):
        return None
    return next((HEADINGS[form] for form in forms(cell) if form in HEADINGS), None)


def is_header(cells: Sequence[Cell]) -> bool:
    """Tell whether the row has at least three headings that are known, ours or others'."""
    known: set[str] = set()
    for heading in map(_understood, cells):
        if heading is not None:
            known.add(heading.shown)
        if len(known) >= LEAST_HEADINGS:
            return True
    return False


LEAST_HEADINGS = 3
TRAILER = "#trailer"


def is_trailer(cells: Sequence[Cell]) -> bool:
    """Tell whether the row is the last one of our CSV export, which counts and seals the others."""
    return bool(cells) and cells[0] == TRAILER


def _unit(heading: Heading, cell: str) -> str | None:
    """The unit that the heading says; None where it says none."""
    written = values.folded(cell)
    for bracketed in BRACKETS.findall(written):
        found = UNIT.fullmatch(bracketed)
        if found is not None:
            return str(found[1])
    bare = WRITTEN_UNIT.search(written)
    if bare is not None:
        return bare[0]
    said_by_code = heading.code is not None or written.isascii()
    return WAN if said_by_code else None


SHOWN_CHARACTERS = 40


def tellable(cell: Cell) -> str:
    """The heading as it may be repeated; a ? where it holds a personal number."""
    if not isinstance(cell, str) or blank(cell):
        return ""
    text = "".join(each for each in cell if each.isprintable()).strip()
    return "?" if not text or contains_personal_number(cell) else text[:SHOWN_CHARACTERS]


def _quoted(cell: Cell, place: int) -> Sentence:
    """The heading, where it may be repeated, or its place."""
    text = tellable(cell)
    if text in {"", "?"}:
        return Sentence(f"column {place}", f"第 {place} 列")
    return Sentence(f"“{text}”", f"「{text}」")


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a table at hand."""

    index: int
    heading: Heading
    unit: str | None = None

    def read(self, cell: Cell) -> Any:  # noqa: ANN401 - whatever its column holds
        """The value of a cell below it.

        Raises:
            Unreadable: nobody can say for certain what the cell holds.
        """
        key = self.heading.key
        if key.startswith(NOTE):
            return values.remark(cell)
        if self.unit is not None:
            return values.amount(cell, self.unit)
        return READERS.get(key, values.plain)(cell)


def blank(cell: Cell) -> bool:
    """Tell whether a cell says nothing."""
    return cell is None or (isinstance(cell, str) and not values.folded(cell))


def read_header(header: Sequence[Cell]) -> tuple[list[Place], list[Fault]]:
    """The columns that a header names, and what is wrong with its headings."""
    if sum(not blank(cell) for cell in header) > MOST_COLUMNS:
        return [], [TOO_MANY_COLUMNS]
    places: list[Place] = []
    before: dict[str, list[Heading]] = {}
    faults: list[Fault] = []
    unknown: list[tuple[int, Cell]] = []
    for index, cell in enumerate(header):
        heading = _understood(cell)
        if blank(cell):
            continue
        if isinstance(cell, Spoilt):
            faults.append(Fault(f"/columns/{index + 1}", *SPOILT[cell]))
        elif heading is None:
            unknown.append((index, cell))
        elif any(_same(heading, other) for other in before.get(heading.key, ())):
            faults.append(_twice(index, cell))
        else:
            unit = _unit(heading, str(cell)) if heading.key in AMOUNTS else None
            if heading.key in AMOUNTS and unit not in {WAN, YUAN}:
                faults.append(_unitless(index, cell))
            places.append(Place(index, heading, unit))
            if heading.key != "ignored":  # of which a table may have many
                before.setdefault(heading.key, []).append(heading)
    faults.extend(_unknown_ones(unknown, used={place.heading.key for place in places}))
    return places, sorted(faults, key=lambda fault: int(fault.pointer.rpartition("/")[2]))


MOST_COLUMNS = 500
"""Columns with something in the heading: more than there are headings that we know."""
TOO_MANY_COLUMNS = Fault(
    "/columns",
    "too_many_columns",
    Sentence(
        f"The table has more than {MOST_COLUMNS} columns with a heading; use the template's",
        f"表头超过 {MOST_COLUMNS} 列，请使用模板中的列",
    ),
)


def _same(one: Heading, other: Heading) -> bool:
    """Tell whether two headings of one key are one column twice.

    Codes of two generations may stand side by side, and so may two sorts of category.
    """
    if one.key == "penalty_categories" and one.shown != other.shown:
        return False
    return one.code is None or other.code is None or one.code == other.code


def _twice(index: int, cell: Cell) -> Fault:
    quoted = _quoted(cell, index + 1)
    sentence = Sentence(
        f"{quoted.en} means the same as a column before it: keep one of them",
        f"{quoted.zh}与前面的列含义重复：请只保留一列",
    )
    return Fault(f"/columns/{index + 1}", "column_twice", sentence)


def _unitless(index: int, cell: Cell) -> Fault:
    quoted = _quoted(cell, index + 1)
    sentence = Sentence(
        f"The heading {quoted.en} must name its unit, 万元 or 元, in brackets",
        f"列{quoted.zh}须在列名中注明金额单位，如（万元）或（元）",
    )
    return Fault(f"/columns/{index + 1}", "unknown_unit", sentence)


LEAST_LIKENESS = 60  # of 100
NAMED = 50
"""So many unknown headings are named, each with the nearest that is known."""


def _unknown_ones(unknown: Sequence[tuple[int, Cell]], used: set[str]) -> Iterator[Fault]:
    for index, cell in unknown[:NAMED]:
        yield _unknown(index, cell, used)
    for index, _ in unknown[NAMED:]:
        sentence = Sentence(f"Unknown column {index + 1}", f"未知的列：第 {index + 1} 列")
        yield Fault(f"/columns/{index + 1}", "unknown_column", sentence)


def _unknown(index: int, cell: Cell, used: set[str]) -> Fault:
    quoted = _quoted(cell, index + 1)
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - only where a heading is unknown

    nearest = process.extractOne(
        _squeezed(cell) if isinstance(cell, str) else "",
        [form for form, heading in HEADINGS.items() if heading.key not in used],
        scorer=fuzz.ratio,
        score_cutoff=LEAST_LIKENESS,
    )
    asked = Sentence("", "")
    if nearest is not None:
        near = HEADINGS[nearest[0]]
        shown = near.shown if _squeezed(near.shown) == nearest[0] else WRITTEN[nearest[0]]
        asked = Sentence(f"; did you mean “{shown}”?", f"，是否为「{shown}」？")
    sentence = Sentence(f"Unknown column {quoted.en}{asked.en}", f"未知的列{quoted.zh}{asked.zh}")
    return Fault(f"/columns/{index + 1}", "unknown_column", sentence)


WRITTEN: Mapping[str, str] = {
    form: written for written, _ in _known() for form in list(forms(written))[:2]
}
"""A heading as it is written, by its squeezed form."""
