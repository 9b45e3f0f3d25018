"""Headings of a header row: known ones become columns, unknown ones faults with a suggestion."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import Fault, ProblemCode, Sentence
from app.rules.personal_numbers import contains_personal_number
from app.rules.text import fold_heading, fold_text, normalize_width
from app.submissions.formats.cells import Cell, CellError
from app.submissions.mapping import exchange_fields, values
from app.submissions.mapping.columns import (
    AMOUNT_KEYS,
    CELL_READERS,
    COLUMNS,
    EXTRA_FIELDS,
    IGNORED_HEADINGS,
)
from app.submissions.mapping.exchange_fields import NOTE_PREFIX, ExchangeKind, StandardEdition
from app.submissions.mapping.values import CELL_ERROR_FAULTS, WAN, YUAN


@dataclass(frozen=True, slots=True)
class Heading:
    """The meaning of a heading, and its form for display."""

    key: str
    display_text: str
    code: str | None = None
    exchange_kind: ExchangeKind | None = None
    edition: StandardEdition | None = None


BRACKETED_TEXT = re.compile(r"[(\[{【〔]([^()\[\]{}【】〔〕]*)[)\]}】〕]")
IGNORABLE_IN_BRACKETS = re.compile(
    r"必填|选填|可选|非必填|可不填|条件必填|如有|例.*|格式.*|单位.*|.*元|[0-9]+位|[ymd年月日/.-]+|文本|日期|数字"
)
"""Bracketed text that does not change the meaning of a heading: units, formats, 必填 and so on."""
UNIT_IN_BRACKETS = re.compile(r"(?:单位:?)?(?:人民币)?(.*元)")
TRAILING_UNIT = re.compile("万?元$")


def _generate_known_headings() -> Iterator[tuple[str, Heading]]:
    for column in COLUMNS:
        for written in (column.key, column.heading, *column.aliases):
            yield written, Heading(column.key, column.heading)
    for each in (*EXTRA_FIELDS, *exchange_fields.FIELDS):
        for code in each.codes:
            yield code, Heading(
                each.key, code, code, exchange_fields.find_exchange_kind(code),
                exchange_fields.find_edition(code),
            )  # fmt: skip
        editions = {exchange_fields.find_edition(code) for code in each.codes}
        edition = editions.pop() if len(editions) == 1 else None
        for written in each.headings:
            yield written, Heading(each.key, written, None, each.exchange_kind, edition)
    for written in IGNORED_HEADINGS:
        yield written, Heading("ignored", written)


def generate_lookup_forms(text: str) -> Iterator[str]:
    """Generate the folded heading: as written, without ignorable brackets, without its unit."""
    normalized = normalize_width(text)
    yield fold_heading(normalized)
    without_ignorable = fold_heading(
        BRACKETED_TEXT.sub(lambda found: "" if _is_ignorable(found[1]) else found[0], normalized)
    )
    yield without_ignorable
    yield TRAILING_UNIT.sub("", without_ignorable)


def _is_ignorable(bracketed: str) -> bool:
    return IGNORABLE_IN_BRACKETS.fullmatch(fold_text(bracketed)) is not None


HEADING_BY_FORM: Mapping[str, Heading] = {
    form: heading
    for written, heading in _generate_known_headings()
    for form in list(generate_lookup_forms(written))[:2]
}
"""Known headings by their folded form."""


def _find_heading(cell: Cell) -> Heading | None:
    if not isinstance(cell, str):
        return None
    return next(
        (HEADING_BY_FORM[form] for form in generate_lookup_forms(cell) if form in HEADING_BY_FORM),
        None,
    )


def is_header(cells: Sequence[Cell]) -> bool:
    """Return whether the row has at least three known headings, ours or of other systems."""
    known: set[str] = set()
    for heading in map(_find_heading, cells):
        if heading is not None:
            known.add(heading.display_text)
        if len(known) >= MIN_HEADINGS:
            return True
    return False


MIN_HEADINGS = 3


def _find_unit(heading: Heading, cell: str) -> str | None:
    """Find the unit in a heading; None if there is none."""
    folded = fold_text(cell)
    for bracketed in BRACKETED_TEXT.findall(folded):
        found = UNIT_IN_BRACKETS.fullmatch(bracketed)
        if found is not None:
            return str(found[1])
    trailing = TRAILING_UNIT.search(folded)
    if trailing is not None:
        return trailing[0]
    has_implied_unit = heading.code is not None or folded.isascii()
    return WAN if has_implied_unit else None


MAX_SHOWN_CHARACTERS = 40


def redact_heading(cell: Cell) -> str:
    """Cut a heading for display; return ? if it contains a personal number."""
    if not isinstance(cell, str) or is_blank_cell(cell):
        return ""
    text = "".join(each for each in cell if each.isprintable()).strip()
    return "?" if not text or contains_personal_number(cell) else text[:MAX_SHOWN_CHARACTERS]


def _quote_heading(cell: Cell, column_number: int) -> Sentence:
    """Quote the heading if it may be displayed, otherwise its position."""
    text = redact_heading(cell)
    if text in {"", "?"}:
        return Sentence(f"column {column_number}", f"第 {column_number} 列")
    return Sentence(f"“{text}”", f"「{text}」")


@dataclass(frozen=True, slots=True)
class HeaderColumn:
    """A column of a submitted table."""

    index: int
    heading: Heading
    unit: str | None = None

    def read_cell(self, cell: Cell) -> Any:  # noqa: ANN401 - depends on the column
        """Read the value of a cell of the column.

        Raises:
            UnreadableCell: the cell has no reliable value.
        """
        key = self.heading.key
        if key.startswith(NOTE_PREFIX):
            return values.read_remark(cell)
        if self.unit is not None:
            return values.read_amount(cell, self.unit)
        return CELL_READERS.get(key, values.read_text)(cell)


def is_blank_cell(cell: Cell) -> bool:
    """Return whether a cell is blank."""
    return cell is None or (isinstance(cell, str) and not fold_text(cell))


def read_header(header: Sequence[Cell]) -> tuple[list[HeaderColumn], list[Fault]]:
    """Read the columns of a header and the faults of its headings."""
    if sum(not is_blank_cell(cell) for cell in header) > MAX_HEADINGS:
        return [], [TOO_MANY_COLUMNS]
    columns: list[HeaderColumn] = []
    headings_by_key: dict[str, list[Heading]] = {}
    faults: list[Fault] = []
    unknown: list[tuple[int, Cell]] = []
    for index, cell in enumerate(header):
        heading = _find_heading(cell)
        if is_blank_cell(cell):
            continue
        if isinstance(cell, CellError):
            faults.append(Fault(f"/columns/{index + 1}", *CELL_ERROR_FAULTS[cell]))
        elif heading is None:
            unknown.append((index, cell))
        elif any(_is_same_column(heading, other) for other in headings_by_key.get(heading.key, ())):
            faults.append(_build_duplicate_fault(index, cell))
        else:
            unit = _find_unit(heading, str(cell)) if heading.key in AMOUNT_KEYS else None
            if heading.key in AMOUNT_KEYS and unit not in {WAN, YUAN}:
                faults.append(_build_unit_fault(index, cell))
            columns.append(HeaderColumn(index, heading, unit))
            if heading.key != "ignored":  # a table may have several
                headings_by_key.setdefault(heading.key, []).append(heading)
    faults.extend(
        _build_unknown_column_faults(unknown, used_keys={place.heading.key for place in columns})
    )
    return columns, sorted(faults, key=lambda fault: int(fault.pointer.rpartition("/")[2]))


MAX_HEADINGS = 500
"""Maximum number of headings in a table; more than there are known headings."""
TOO_MANY_COLUMNS = Fault(
    "/columns",
    ProblemCode.too_many_columns,
    Sentence(
        f"The table has more than {MAX_HEADINGS} columns with a heading; use the template's",
        f"表头超过 {MAX_HEADINGS} 列，请使用模板中的列",
    ),
)


def _is_same_column(one: Heading, other: Heading) -> bool:
    """Return whether two headings of one key are the same column twice.

    Codes of two editions may occur together, and so may two kinds of category.
    """
    if one.key == "penalty_categories" and one.display_text != other.display_text:
        return False
    return one.code is None or other.code is None or one.code == other.code


def _build_duplicate_fault(index: int, cell: Cell) -> Fault:
    quoted = _quote_heading(cell, index + 1)
    sentence = Sentence(
        f"{quoted.en} means the same as a column before it: keep one of them",
        f"{quoted.zh}与前面的列含义重复：请只保留一列",
    )
    return Fault(f"/columns/{index + 1}", ProblemCode.column_twice, sentence)


def _build_unit_fault(index: int, cell: Cell) -> Fault:
    quoted = _quote_heading(cell, index + 1)
    sentence = Sentence(
        f"The heading {quoted.en} must name its unit, 万元 or 元, in brackets",
        f"列{quoted.zh}须在列名中注明金额单位，如（万元）或（元）",
    )
    return Fault(f"/columns/{index + 1}", ProblemCode.unknown_unit, sentence)


MIN_SIMILARITY = 60  # of 100
MAX_NAMED_HEADINGS = 50
"""Maximum number of unknown headings that are reported with a suggestion."""


def _build_unknown_column_faults(
    unknown: Sequence[tuple[int, Cell]], used_keys: set[str]
) -> Iterator[Fault]:
    for index, cell in unknown[:MAX_NAMED_HEADINGS]:
        yield _build_unknown_column_fault(index, cell, used_keys)
    for index, _ in unknown[MAX_NAMED_HEADINGS:]:
        sentence = Sentence(f"Unknown column {index + 1}", f"未知的列：第 {index + 1} 列")
        yield Fault(f"/columns/{index + 1}", ProblemCode.unknown_column, sentence)


def _build_unknown_column_fault(index: int, cell: Cell, used_keys: set[str]) -> Fault:
    quoted = _quote_heading(cell, index + 1)
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - only where a heading is unknown

    nearest = process.extractOne(
        fold_heading(cell) if isinstance(cell, str) else "",
        [form for form, heading in HEADING_BY_FORM.items() if heading.key not in used_keys],
        scorer=fuzz.ratio,
        score_cutoff=MIN_SIMILARITY,
    )
    suggestion = Sentence("", "")
    if nearest is not None:
        nearest_heading = HEADING_BY_FORM[nearest[0]]
        shown = (
            nearest_heading.display_text
            if fold_heading(nearest_heading.display_text) == nearest[0]
            else ORIGINAL_BY_FORM[nearest[0]]
        )
        suggestion = Sentence(f"; did you mean “{shown}”?", f"，是否为「{shown}」？")
    sentence = Sentence(
        f"Unknown column {quoted.en}{suggestion.en}", f"未知的列{quoted.zh}{suggestion.zh}"
    )
    return Fault(f"/columns/{index + 1}", ProblemCode.unknown_column, sentence)


ORIGINAL_BY_FORM: Mapping[str, str] = {
    form: written
    for written, _ in _generate_known_headings()
    for form in list(generate_lookup_forms(written))[:2]
}
"""Headings as written, by their folded form."""
