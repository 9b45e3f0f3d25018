"""The language of sentences: Chinese or English, by `Accept-Language`."""

import re
from typing import Annotated

from fastapi import Depends, Header


def prefers_chinese(accept_language: str | None) -> bool:
    """Return True if the reader prefers Chinese to English (RFC 9110, 12.5.4)."""
    weights: dict[str, float] = {}
    for part in (accept_language or "").split(","):
        language, _, parameter = part.strip().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", parameter)
        primary = language.strip().lower().split("-")[0]
        weight = float(found[1]) if found else 1.0
        weights[primary] = max(weight, weights.get(primary, 0.0))
    return weights.get("zh", 0.0) > weights.get("en", 0.0)


async def detect_chinese(
    accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> bool:
    """Return True if the reader of the response prefers Chinese."""
    return prefers_chinese(accept_language)


ChineseDep = Annotated[bool, Depends(detect_chinese)]
