"""A column of the table of entries, and builders for its common types."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from app.errors import Sentence
from app.submissions.formats.cells import Cell
from app.submissions.mapping import values
from app.submissions.mapping.code_labels import Labels

CellFormat = Literal["text", "date", "number", "code"]
YES_NO_CHOICES = ("是", "否")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ours.

    Attributes:
        key: the English heading.
        heading: the Chinese heading, as in the template.
        pointer: JSON pointer of its value in the body (of a list, without the index).
        aliases: other headings of the same meaning.
        required: whether a table without it is refused.
        choices: the labels that a clerk can choose from; empty for free text.
        cell_format: the format of its cells in the template.
    """

    key: str
    heading: str
    pointer: str
    description: Sentence
    example: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False
    choices: tuple[str, ...] = ()
    cell_format: CellFormat = "text"
    read_cell: Callable[[Cell], Any] = field(default=values.read_text, repr=False, compare=False)


def build_code_column(
    key: str,
    heading: str,
    pointer: str,
    labels: Labels,
    description: Sentence,
    *,
    aliases: tuple[str, ...] = (),
    required: bool = False,
    unlisted_labels: Labels = MappingProxyType({}),
) -> Column:
    """Build a column of coded values; `unlisted_labels` are accepted but not offered."""
    choices = tuple(words[0] for words in labels.values())
    read = values.build_choice_reader({**labels, **unlisted_labels})
    return Column(
        key, heading, pointer, description, choices[0], aliases, required, choices, "code", read
    )


def build_boolean_column(key: str, heading: str, description: Sentence, *aliases: str) -> Column:
    """Build a column of 是 and 否."""
    return Column(
        key,
        heading,
        f"/{key}",
        description,
        "否",
        aliases,
        choices=YES_NO_CHOICES,
        cell_format="code",
        read_cell=values.read_boolean,
    )


def build_day_column(
    key: str,
    heading: str,
    pointer: str,
    description: Sentence,
    *aliases: str,
    example: str = "2026-11-20",
    required: bool = False,
    read_cell: Callable[[Cell], Any] = values.read_day,
) -> Column:
    """Build a column of days."""
    return Column(
        key,
        heading,
        pointer,
        description,
        example,
        aliases,
        required,
        cell_format="date",
        read_cell=read_cell,
    )


def build_amount_column(
    key: str, heading: str, pointer: str, description: Sentence, *aliases: str
) -> Column:
    """Build a column of amounts in 万元."""
    return Column(
        key,
        heading,
        pointer,
        description,
        "0.2",
        aliases,
        cell_format="number",
        read_cell=values.read_amount,
    )
