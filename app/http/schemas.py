"""Base models of bodies and answers, and the types of texts, days and instants in them.

The coercions of Pydantic are too tolerant for a register (it reads a number as a date, and drops a
time of day), so days and texts have types of their own. Every refusal is a custom error whose type
is the problem code, with the Chinese sentence in its context.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

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
    ProblemCode,
    Sentence,
)
from app.rules.calendar import MAX_DATE
from app.rules.contact_numbers import (
    AT_LEAST_ELEVEN_DIGITS,
    contains_card_number,
    contains_mobile_number,
)
from app.rules.personal_numbers import AT_LEAST_FIFTEEN_DIGITS, contains_personal_number
from app.rules.text import fold_name, is_blank

FIRST_DAY = date(1949, 10, 1)

# Control characters except line ends and tabs; invisible characters that change the direction of a
# text and so hide its content; surrogates.
FORBIDDEN_CHARACTERS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Letters, digits, Chinese characters and common punctuation, in one line: most texts consist of
# these, and the only fault that they can have is a personal number.
PLAIN_TEXT = re.compile(
    r"[0-9A-Za-z\u4e00-\u9fa5](?:[ -~\u4e00-\u9fa5（）〔〕，。、：]*[!-~\u4e00-\u9fa5（）〔〕])?"
)
ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Model(BaseModel):
    """Base of every request body: an unknown field is refused, never dropped."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """Base of every answer: all its fields are always present."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True, populate_by_name=True)


class SparseView(View):
    """An answer without its null fields, where the contract says "one or the other"."""

    @model_serializer(mode="wrap")
    def omit_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Return the fields that are not null."""
        shown: dict[str, object] = handler(self)
        return {name: value for name, value in shown.items() if value is not None}


def fault(code: ProblemCode, sentence: Sentence) -> PydanticCustomError:
    """Return the error that a validator raises for a fault."""
    return PydanticCustomError(code, sentence.en, {"zh": sentence.zh})


def _strip(text: str) -> str:
    if FORBIDDEN_CHARACTERS.search(text):
        raise fault(
            ProblemCode.control_character,
            Sentence("The text holds a control character; remove it", "文本含有控制字符，请删除"),
        )
    return text.strip()


def _require_one_line(text: str) -> str:
    if "\n" in text or "\t" in text or "\r" in text:
        raise fault(
            ProblemCode.control_character,
            Sentence("This is written in one line, without tabs", "此项不得换行或含制表符"),
        )
    return text


def refuse_personal_number(text: str) -> str:
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


def _refuse_contact_number(text: str) -> str:
    if contains_mobile_number(text):
        raise fault(
            ProblemCode.mobile_number_in_text,
            Sentence(
                "The text may be published and holds a mobile telephone number; remove it, or give"
                " the line of an office",
                "该文本可能公示，其中含有手机号码；请删除，或改用办公电话",
            ),
        )
    if contains_card_number(text):
        raise fault(
            ProblemCode.card_number_in_text,
            Sentence(
                "The text may be published and holds a bank card number; remove it",
                "该文本可能公示，其中含有银行卡号；请删除",
            ),
        )
    return text


def _require_content(text: str) -> str:
    if is_blank(text):
        raise fault(ProblemCode.blank, Sentence("This must not be blank", "此项不能为空"))
    return text


def _require_short_folded_name(name: str) -> str:
    # One character may fold to many letters (U+FDFA to eighteen), and folded names are indexed.
    if len(fold_name(name)) > MAX_NAME_LENGTH:
        raise fault(
            ProblemCode.too_long,
            Sentence(f"At most {MAX_NAME_LENGTH} characters", f"最多 {MAX_NAME_LENGTH} 个字符"),
        )
    return name


def _make_text_type(
    max_length: int, *more: Callable[[str], str], may_be_public: bool = False
) -> Any:  # noqa: ANN401 - an annotation
    # One validator runs all checks: a validator for each would cost as much as the check.
    checks = [_strip, _require_content, refuse_personal_number, *more]
    if may_be_public:
        checks.append(_refuse_contact_number)
    enough_digits = AT_LEAST_ELEVEN_DIGITS if may_be_public else AT_LEAST_FIFTEEN_DIGITS

    def check(text: str) -> str:
        if PLAIN_TEXT.fullmatch(text) and enough_digits.search(text) is None:
            return text
        for one in checks:
            text = one(text)
        return text

    return Annotated[str, Field(min_length=1, max_length=max_length), AfterValidator(check)]


MAX_NAME_LENGTH = 200
Reference = _make_text_type(80, _require_one_line)
"""A number or code of the sender: source_ref, case numbers."""
Name = _make_text_type(MAX_NAME_LENGTH, _require_one_line, _require_short_folded_name)
Line = _make_text_type(500)
Text = _make_text_type(5000)
# Texts that the feed, an export or a publication may show to everybody.
PublicReference = _make_text_type(80, _require_one_line, may_be_public=True)
PublicName = _make_text_type(
    MAX_NAME_LENGTH, _require_one_line, _require_short_folded_name, may_be_public=True
)
PublicLine = _make_text_type(500, may_be_public=True)
PublicText = _make_text_type(5000, may_be_public=True)


def _parse_day(value: object) -> object:
    # A `date` comes from our own code; over HTTP it is always a string.
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not ISO_DAY.fullmatch(value):
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


def _require_plausible_day(day: date) -> date:
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
    BeforeValidator(_parse_day),
    AfterValidator(_require_plausible_day),
    WithJsonSchema({"type": "string", "format": "date"}),
]


def _convert_to_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise fault(
            ProblemCode.date_out_of_range, Sentence("There is no such instant", "时间超出范围")
        ) from None


def _require_instant_text(value: object) -> object:
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


Instant = Annotated[
    AwareDatetime, BeforeValidator(_require_instant_text), AfterValidator(_convert_to_utc)
]
"""An instant with its zone (RFC 3339)."""
