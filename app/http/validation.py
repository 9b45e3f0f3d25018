"""Errors of Pydantic as faults: a problem code, a place, and a sentence in two languages."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.errors import (
    Fault,
    InvalidPayload,
    Malformed,
    MalformedJson,
    ProblemCode,
    RegistryError,
    Sentence,
    UnsupportedMediaType,
)

Body = TypeVar("Body")
JSON_SUFFIX = re.compile(r"application/[^\s/]*\+json")

# Problem codes for the error types of Pydantic; `{name}` comes from the context of the error.
PAYLOAD_SENTENCES: Mapping[str, tuple[ProblemCode, Sentence]] = {
    "missing": (ProblemCode.missing, Sentence("This field is needed", "缺少此字段")),
    "extra_forbidden": (
        ProblemCode.unknown_field,
        Sentence("There is no such field", "没有该字段"),
    ),
    "string_type": (ProblemCode.not_text, Sentence("This must be a text", "此项应为文本")),
    "string_too_short": (ProblemCode.blank, Sentence("This must not be blank", "此项不能为空")),
    "string_too_long": (
        ProblemCode.too_long,
        Sentence("At most {max_length} characters", "最多 {max_length} 个字符"),
    ),
    "string_pattern_mismatch": (
        ProblemCode.wrong_form,
        Sentence("This has not the form that is needed", "格式不符合要求"),
    ),
    "string_unicode": (
        ProblemCode.control_character,
        Sentence("The text is not valid Unicode", "文本不是有效的 Unicode"),
    ),
    "enum": (ProblemCode.unknown_value, Sentence("One of: {expected}", "可选值：{expected}")),
    "literal_error": (
        ProblemCode.unknown_value,
        Sentence("One of: {expected}", "可选值：{expected}"),
    ),
    "too_long": (ProblemCode.too_many, Sentence("At most {max_length}", "最多 {max_length} 项")),
    "too_short": (ProblemCode.too_few, Sentence("At least {min_length}", "至少 {min_length} 项")),
    "uuid_parsing": (ProblemCode.not_an_id, Sentence("This is no id of ours", "编号格式不正确")),
    "uuid_type": (ProblemCode.not_an_id, Sentence("This is no id of ours", "编号格式不正确")),
    "bool_type": (ProblemCode.not_true_or_false, Sentence("true or false", "应为 true 或 false")),
    "greater_than_equal": (ProblemCode.too_small, Sentence("At least {ge}", "不得小于 {ge}")),
    "less_than_equal": (ProblemCode.too_large, Sentence("At most {le}", "不得大于 {le}")),
    "greater_than": (ProblemCode.too_small, Sentence("More than {gt}", "须大于 {gt}")),
    "timezone_aware": (
        ProblemCode.no_zone,
        Sentence("Say the zone: 2026-11-22T08:00:00Z", "请注明时区，例如 2026-11-22T08:00:00Z"),
    ),
}
UNEXPECTED_CODE = ProblemCode.wrong_type
UNEXPECTED_TYPE = Sentence("This has the wrong type or form", "类型或格式不正确")
SAFE_SEGMENT = re.compile(r"[A-Za-z_]{1,40}|[0-9]{1,5}")


def convert_validation_errors(found: Iterable[Mapping[str, Any]]) -> RegistryError:
    """Convert the errors of Pydantic and FastAPI into one error with faults."""
    faults = []
    for item in found:
        if item["type"] == "json_invalid":
            return MalformedJson()
        if isinstance(item.get("input"), bytes) and item["loc"] == ("body",):
            return UnsupportedMediaType()
        faults.append(_fault(item))
    return InvalidPayload(faults=faults)


def read_body(adapter: TypeAdapter[Body], body: bytes, media_type: str | None) -> Body:
    """Parse a JSON body as FastAPI would.

    Raises:
        MalformedJson: the body is not JSON.
        UnsupportedMediaType: the media type is not JSON.
        InvalidPayload: the body has faults; it names all of them.
    """
    if not body:
        raise convert_validation_errors([{"type": "missing", "loc": ("body",)}])
    if not is_json(media_type):
        raise UnsupportedMediaType
    try:
        return adapter.validate_json(body)
    except ValidationError as wrong:
        found = wrong.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        # The JSON parser of Pydantic refuses some texts that the standard one accepts (a lone
        # surrogate), for which validation then names the place.
        try:
            return adapter.validate_python(json.loads(body))
        except ValidationError as wrong:
            found = wrong.errors(include_url=False, include_input=False)
        except json.JSONDecodeError:
            raise MalformedJson from None
        except (ValueError, RecursionError):  # not UTF-8, or too many digits or levels
            raise Malformed from None
    raise convert_validation_errors({**item, "loc": ("body", *item["loc"])} for item in found)


def is_json(media_type: str | None) -> bool:
    """Return True for the media types `application/json` and `application/...+json`."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    return essence == "application/json" or bool(JSON_SUFFIX.fullmatch(essence))


def pointer(location: tuple[str | int, ...]) -> str:
    """Return the pointer of a location, up to the first part that is not a plain name or number."""
    place, *rest = location
    parts = []
    for segment in rest:
        if not SAFE_SEGMENT.fullmatch(str(segment)):
            break
        parts.append(str(segment))
    if place == "body":
        return "".join(f"/{part}" for part in parts)
    return "?" + ".".join(parts) if place == "query" else f"{place}:" + ".".join(parts)


def _fault(item: Mapping[str, Any]) -> Fault:
    where = pointer(tuple(item["loc"]))
    context = item.get("ctx", {})
    if "zh" in context:
        return Fault(where, ProblemCode(item["type"]), Sentence(item["msg"], context["zh"]))
    code, sentence = PAYLOAD_SENTENCES.get(item["type"], (UNEXPECTED_CODE, UNEXPECTED_TYPE))
    return Fault(
        where, code, Sentence(sentence.en.format(**context), sentence.zh.format(**context))
    )
