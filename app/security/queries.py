"""Reading API keys."""

from app.security.store import find_caller, list_keys

__all__ = ["find_caller", "list_keys"]
