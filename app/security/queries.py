"""Reading API keys."""

from app.db.engines import Connection
from app.rules.permissions import Caller
from app.security.service import hash_key
from app.security.store import find_caller as find_caller_by_hash
from app.security.store import list_keys

__all__ = ["find_caller", "list_keys"]


def find_caller(connection: Connection, key: str) -> Caller | None:
    """Find the caller of a key; None if it is unknown or revoked."""
    return find_caller_by_hash(connection, hash_key(key))
