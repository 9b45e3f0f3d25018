"""Pages: their requests, opaque cursors, and the moment of knowledge to which a list refers."""

import base64
import binascii
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import orjson

from app.errors import BadCursor, Fault, InvalidPayload, ProblemCode, Sentence

Row = TypeVar("Row")


class PageRequest(NamedTuple):
    """One page of a list: the rows after a cursor (None: from the start), at most `limit`."""

    cursor: str | None
    limit: int


def split_page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], Row | None]:
    """Return the rows of a page, and its last row if the list goes on after it.

    `rows` were read with a limit of one more than the page has.
    """
    page = rows[:limit]
    return page, page[-1] if len(rows) > limit else None


def make_cursor(*position: object) -> str:
    """Return the opaque `next` cursor for the position at which a page ended."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in position])).decode()


def read_cursor(cursor: str, parts: int) -> list[str]:
    """Parse a cursor into the `parts` strings of its position.

    Raises:
        BadCursor: `make_cursor` did not make the cursor.
    """
    try:
        position = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
    except (binascii.Error, ValueError) as unreadable:
        raise BadCursor from unreadable
    if not isinstance(position, list) or len(position) != parts:
        raise BadCursor
    if not all(isinstance(part, str) for part in position):
        raise BadCursor
    return position


def read_id_cursor(cursor: str | None) -> UUID | None:
    """Parse a cursor into the id at which the page ended; None for the first page.

    Raises:
        BadCursor: `make_cursor` did not make the cursor.
    """
    if cursor is None:
        return None
    try:
        return UUID(read_cursor(cursor, 1)[0])
    except ValueError as unreadable:
        raise BadCursor from unreadable


def read_day_cursor(cursor: str | None) -> tuple[date, UUID] | None:
    """Parse a cursor into the day and the id at which the page ended; None for the first page.

    Raises:
        BadCursor: `make_cursor` did not make the cursor.
    """
    if cursor is None:
        return None
    day, id_ = read_cursor(cursor, 2)
    try:
        return date.fromisoformat(day), UUID(id_)
    except ValueError as unreadable:
        raise BadCursor from unreadable


def require_one_moment(known_at: datetime | None, known_seq: int | None, place: str) -> None:
    """Refuse `known_at` and `known_seq` together, because they may contradict each other.

    Raises:
        InvalidPayload: both are given.
    """
    if known_at is not None and known_seq is not None:
        raise InvalidPayload(
            faults=[
                Fault(
                    place,
                    ProblemCode.two_moments,
                    Sentence("Give known_at or known_seq", "known_at 与 known_seq 只能填写一项"),
                )
            ]
        )
