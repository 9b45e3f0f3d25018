"""Request bodies, and the search of their texts for the personal numbers that they carry.

A department fills in a passport number in its field, and again in the reason. The field is sealed;
the reason would be published. So the numbers of a body are searched for in all its texts and in the
id of the request before anything is kept or logged.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple, Self

from pydantic import BaseModel, model_validator

from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.http.context import replace_request_id, sent_request_id
from app.http.schemas import Model
from app.http.validation import pointer
from app.rules.numbers_in_hand import Number, NumbersInHand, may_hold_number, resembles_number
from app.rules.personal_numbers import DIGEST_OR_UUID

IDENTIFIER_FIELDS = frozenset({"scheme", "number", "masked", "key"})
KNOWN_NUMBER_IN_TEXT = Sentence(
    "The text holds a personal number of this request or of the entry; numbers belong in identifier"
    " fields",
    "文本中含有本次提交或该条目的个人证件号码；号码只能填写在证件号码字段中",
)


class BodyParts(NamedTuple):
    """The texts of a body with their places, and its numbers with their schemes."""

    places: list[str]
    texts: list[str]
    numbers: list[Number]


class RequestBody(Model):
    """Base of a whole request body: none of its texts holds a personal number that it carries."""

    @model_validator(mode="after")
    def refuse_numbers_in_texts(self) -> Self:
        """Search all texts for the numbers of the body.

        Raises:
            InvalidPayload: names the texts.
        """
        require_no_own_number(self)
        return self


def require_no_own_number(body: Model) -> None:
    """Require that no text of a body holds a personal number that it carries.

    Raises:
        InvalidPayload: names the texts that do.
    """
    parts = list_parts(body)
    if parts.numbers:
        require_absent(NumbersInHand.of(parts.numbers), parts)


def list_parts(body: object) -> BodyParts:
    """List the texts and numbers of a body at every depth; a body is a model or a JSON value.

    An object with a `scheme` is an identifier: its number is no text.
    """
    parts = BodyParts([], [], [])
    waiting = [("", body)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str):
            if not isinstance(value, Enum):
                parts.places.append(place)
                parts.texts.append(value)
        elif isinstance(value, BaseModel | Mapping):
            members = value.__dict__ if isinstance(value, BaseModel) else value
            scheme = members.get("scheme")
            if isinstance(scheme, str):
                number = members.get("number")
                if isinstance(number, str):
                    parts.numbers.append((scheme, number))
                hidden = IDENTIFIER_FIELDS
            else:
                hidden = frozenset()
            waiting.extend(
                (f"{place}/{name}", member)
                for name, member in members.items()
                if member is not None and name not in hidden
            )
        elif isinstance(value, list | tuple):
            waiting.extend((f"{place}/{position}", item) for position, item in enumerate(value))
    return parts


def require_absent(numbers: NumbersInHand, parts: BodyParts) -> None:
    """Require that no text holds one of the numbers; replace a request id that does.

    Raises:
        InvalidPayload: names the texts that do.
    """
    protect_request_id(numbers)
    if faults := _find_faults(numbers, parts):
        raise InvalidPayload(faults=faults)


def find_number_faults(parts: BodyParts) -> list[Fault]:
    """Return a fault for each text of a body that holds a personal number of the same body."""
    return _find_faults(NumbersInHand.of(parts.numbers), parts) if parts.numbers else []


def _find_faults(numbers: NumbersInHand, parts: BodyParts) -> list[Fault]:
    return [
        # A pointer ends before a name that is not plainly one: it may be a number.
        Fault(
            pointer(("body", *place.split("/")[1:])),
            ProblemCode.personal_number_in_text,
            KNOWN_NUMBER_IN_TEXT,
        )
        for place in sorted(parts.places[position] for position in numbers.find_texts(parts.texts))
    ]


def may_need_numbers(parts: BodyParts) -> bool:
    """Return False if neither a text nor the request id can hold a number that is on record."""
    sent = sent_request_id()
    return may_hold_number(parts.texts) or (sent is not None and may_hold_number([sent]))


def protect_request_id(numbers: NumbersInHand) -> None:
    """Replace the request id that the client sent if it holds one of the numbers."""
    sent = sent_request_id()
    if sent is not None and numbers.occur_in(sent):
        replace_request_id()


def replace_request_id_of_file() -> None:
    """Replace a request id that resembles a number: a file is read after the id is kept.

    An id of the usual form (a UUID, a trace id of 32 hexadecimal digits) stays.
    """
    sent = sent_request_id()
    if sent is not None and not DIGEST_OR_UUID.fullmatch(sent) and resembles_number(sent):
        replace_request_id()


def protect_request_id_of_invalid_body(body: object) -> None:
    """Search the request id for the numbers of a body that was refused; bytes are read as JSON."""
    if sent_request_id() is None:
        return
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except (ValueError, RecursionError):
            return
    protect_request_id(NumbersInHand.of(list_parts(body).numbers))
