"""What crosses the wire in every area: the base model, its text and day types, cursors, versions.

Built-in coercions are too kind for a register (Pydantic reads a number as a date, and a time of
day is dropped), so days and texts have types of their own. Every refusal is a custom error whose
type is the stable code, with the Chinese sentence in its context.
"""

import base64
import binascii
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from app.errors import (
    BadCursor,
    BadVersionTag,
    Fault,
    InvalidPayload,
    ProblemCode,
    Sentence,
    VersionRequired,
)
from app.rules.personal_numbers import AT_LEAST_FIFTEEN_DIGITS, contains_personal_number
from app.rules.spans import MAX_DATE
from app.rules.text import fold_name, is_blank

FIRST_DAY = date(1949, 10, 1)

# Control characters but for line ends and tabs; what changes how a text is read without being seen,
# and so hides what was written; halves of characters.
UNWRITTEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Letters, digits, Chinese characters and their plainest punctuation, in one line: most texts are
# made of nothing else, and there is nothing to be found in them but a personal number.
PLAIN = re.compile(
    r"[0-9A-Za-z\u4e00-\u9fa5](?:[ -~\u4e00-\u9fa5（）〔〕，。、：]*[!-~\u4e00-\u9fa5（）〔〕])?"
)
WRITTEN_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """The id of the request at hand; None on the command line."""
    return _request_id.get()


def set_request_id(request_id: str) -> None:
    """Bind the id for everything that this request does."""
    _request_id.set(request_id)


class Model(BaseModel):
    """Base of every body: an unknown field is refused, never dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Base of every answer: all its fields are always there."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True, populate_by_name=True)


class SparseView(View):
    """An answer that leaves out what it does not have, where the contract says "one or other"."""

    @model_serializer(mode="wrap")
    def leave_out_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what is there."""
        shown: dict[str, Any] = handler(self)
        return {name: value for name, value in shown.items() if value is not None}


def fault(code: str, sentence: Sentence) -> PydanticCustomError:
    """A refusal that a validator raises; `code` is stable."""
    return PydanticCustomError(code, sentence.en, {"zh": sentence.zh})


def _clean(text: str) -> str:
    if UNWRITTEN.search(text):
        raise fault(
            ProblemCode.control_character,
            Sentence("The text holds a control character; remove it", "文本含有控制字符，请删除"),
        )
    return text.strip()


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text or "\r" in text:
        raise fault(
            ProblemCode.control_character,
            Sentence("This is written in one line, without tabs", "此项不得换行或含制表符"),
        )
    return text


def impersonal(text: str) -> str:
    """Refuse a text that holds a personal identity number."""
    if contains_personal_number(text):
        raise fault(
            ProblemCode.personal_number_in_text,
            Sentence(
                "The text holds a personal identity number; numbers belong in identifier fields",
                "文本中含有个人身份号码；号码只能填写在证件号码字段中",
            ),
        )
    return text


def _not_blank(text: str) -> str:
    if is_blank(text):
        raise fault(ProblemCode.blank, Sentence("This must not be blank", "此项不能为空"))
    return text


def _folds_short(name: str) -> str:
    # Some signs stand for many letters (U+FDFA for eighteen), and names are found by their letters.
    if len(fold_name(name)) > LONGEST_NAME:
        raise fault(
            ProblemCode.too_long,
            Sentence(f"At most {LONGEST_NAME} characters", f"最多 {LONGEST_NAME} 个字符"),
        )
    return name


def _free_text(longest: int, *more: Callable[[str], str]) -> Any:  # noqa: ANN401 - an annotation
    # One validator that runs them all: each of its own costs as much as what it looks for.
    checks = (_clean, _not_blank, impersonal, *more)

    def check(text: str) -> str:
        if PLAIN.fullmatch(text) and AT_LEAST_FIFTEEN_DIGITS.search(text) is None:
            return text
        for one in checks:
            text = one(text)
        return text

    return Annotated[str, Field(min_length=1, max_length=longest), AfterValidator(check)]


LONGEST_NAME = 200
Reference = _free_text(80, _one_line)
"""A number or code of the sender's: source_ref, case numbers."""
Name = _free_text(LONGEST_NAME, _one_line, _folds_short)
Line = _free_text(500)
Text = _free_text(5000)


def _day(value: object) -> object:
    # A `date` comes from our own code; over HTTP it is always a text.
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not WRITTEN_DAY.fullmatch(value):
        raise fault(
            ProblemCode.invalid_date,
            Sentence("A day is written YYYY-MM-DD", "日期格式应为 YYYY-MM-DD"),
        )
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise fault(
            ProblemCode.invalid_date, Sentence("There is no such day", "日期不存在")
        ) from None


def _plausible(day: date) -> date:
    if not FIRST_DAY <= day <= MAX_DATE:
        raise fault(
            ProblemCode.date_out_of_range,
            Sentence(
                "The day must lie between 1949-10-01 and 2199-12-31; leave an open end null",
                "日期须在 1949-10-01 至 2199-12-31 之间；无期限请填 null",
            ),
        )
    return day


Day = Annotated[
    date,
    BeforeValidator(_day),
    AfterValidator(_plausible),
    WithJsonSchema({"type": "string", "format": "date"}),
]


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise fault(
            ProblemCode.date_out_of_range, Sentence("There is no such instant", "时间超出范围")
        ) from None


def _written_instant(value: object) -> object:
    # Pydantic would read a bare number as seconds since 1970.
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", value):
        raise fault(
            ProblemCode.invalid_instant,
            Sentence(
                "An instant is written 2026-11-22T08:00:00Z", "时间格式应为 2026-11-22T08:00:00Z"
            ),
        )
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_written_instant), AfterValidator(_utc)]
"""An instant with its zone, as RFC 3339 writes it."""


# --- cursors and versions ------------------------------------------------


def make_cursor(*position: object) -> str:
    """An opaque `next`: where the page ended."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in position])).decode()


def read_cursor(cursor: str, parts: int) -> list[str]:
    """Where the page ended, in `parts` strings.

    Raises:
        BadCursor: the cursor is not one that `make_cursor` made.
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
    """The id that the page ended with; None for the first page.

    Raises:
        BadCursor: the cursor is not one of ours.
    """
    if cursor is None:
        return None
    try:
        return UUID(read_cursor(cursor, 1)[0])
    except ValueError as unreadable:
        raise BadCursor from unreadable


def require_one_moment(known_at: datetime | None, known_seq: int | None, place: str) -> None:
    """Refuse two moments of knowledge at once: which of them counts is not for us to guess.

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


def read_version(if_match: str | None) -> int:
    """The version that a change was made from.

    Raises:
        VersionRequired: there is no If-Match.
        BadVersionTag: it is not one version in quotes.
    """
    if if_match is None:
        raise VersionRequired
    found = re.fullmatch(r'"([0-9]{1,9})"', if_match.strip())
    if found is None:
        raise BadVersionTag
    return int(found[1])
