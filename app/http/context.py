"""The context of a request: its id, and the language of its reader.

Worker processes import this module, so it imports no web framework.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from uuid_utils import uuid7


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


@dataclass(slots=True)
class _RequestId:
    """The id of a request; all tasks and threads of the request share one object."""

    value: str
    is_sent: bool


_request_id: ContextVar[_RequestId | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the current request; None on the command line."""
    current = _request_id.get()
    return None if current is None else current.value


def set_request_id(request_id: str, *, is_sent: bool = False) -> None:
    """Set the id for everything that this request does; `is_sent` if the client chose it."""
    _request_id.set(_RequestId(request_id, is_sent))


def sent_request_id() -> str | None:
    """Return the id of the current request if the client chose it."""
    current = _request_id.get()
    return current.value if current is not None and current.is_sent else None


def replace_request_id() -> None:
    """Give the request another id, because the one that the client chose may not be kept."""
    current = _request_id.get()
    if current is not None:
        current.value, current.is_sent = str(uuid7()), False
