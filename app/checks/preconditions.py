"""Preconditions of all questions: a known matter, no future day, a valid delay of notice."""

from datetime import date, datetime

from app.checks.schemas import Investigation
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.registry import Registry
from app.rules.law import Catalogue, Span
from app.rules.spans import add_span

MAX_DELAY = Span(years=1)
"""The longest delay of notice to the subject; after it the office must ask again."""


def require_known_matter(code: str, catalogue: Catalogue) -> None:
    """Refuse a matter that the catalogue does not have.

    Raises:
        InvalidPayload: there is no such matter.
    """
    if code not in catalogue.matters:
        raise InvalidPayload(
            faults=[
                Fault(
                    "/matter",
                    ProblemCode.unknown_value,
                    Sentence(
                        "There is no such matter; see GET /v1/matters",
                        "没有该事项类型，请查看 GET /v1/matters",
                    ),
                )
            ]
        )


def require_not_future(
    registry: Registry, on: date | None, known_at: datetime | None, pointer_prefix: str = "/"
) -> None:
    """Refuse a day or an instant that has not come.

    Raises:
        InvalidPayload: names the one of both that lies ahead.
    """
    is_future_day = on is not None and on > registry.clock.today()
    if is_future_day or (known_at is not None and known_at > registry.clock.now()):
        raise build_future_error(
            f"{pointer_prefix}on" if is_future_day else f"{pointer_prefix}known_at"
        )


def require_valid_delay(today: date, investigation: Investigation | None, *, is_past: bool) -> None:
    """Refuse a delay of notice that is too long or has no effect.

    Raises:
        InvalidPayload: the delay ends today or earlier, lasts too long, or has no effect.
    """
    if investigation is None:
        return
    if is_past:
        fault = Fault(
            "/investigation",
            ProblemCode.unknown_field,
            Sentence(
                "No subject is told of a re-examination: leave investigation out",
                "复核不计入主体的被查询记录，请勿填写 investigation",
            ),
        )
        raise InvalidPayload(faults=[fault])
    if not today < investigation.until <= add_span(today, MAX_DELAY):
        fault = Fault(
            "/investigation/until",
            ProblemCode.dates_out_of_order,
            Sentence(
                "The last day of the delay lies after today, and at most one year ahead",
                "延期告知的截止日应晚于今日，且最长不超过一年",
            ),
        )
        raise InvalidPayload(faults=[fault])


def build_future_error(pointer: str) -> InvalidPayload:
    """The refusal of a moment that lies ahead."""
    sentence = Sentence("A re-examination looks at the past", "复核只能针对过去的时点")
    return InvalidPayload(faults=[Fault(pointer, ProblemCode.in_future, sentence)])
