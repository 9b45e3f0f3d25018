"""Pages: opaque cursors, and the moment of knowledge to which a list refers."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

import orjson

from app.errors import BadCursor, Fault, InvalidPayload, ProblemCode, Sentence


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
