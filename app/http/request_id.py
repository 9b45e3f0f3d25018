"""The id of the current request, for logs and audit records."""

from contextvars import ContextVar

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the current request; None on the command line."""
    return _request_id.get()


def set_request_id(request_id: str) -> None:
    """Set the id for everything that this request does."""
    _request_id.set(request_id)
