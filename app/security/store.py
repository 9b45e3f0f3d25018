"""SQL of the API keys. Only a hash of each key is stored, so a stolen database opens nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from app.db.tables import ApiKey
from app.rules.permissions import Caller, Role


def hash_key(key: str) -> str:
    """Return the stored hash of a key. SHA-256 is enough: a key is 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def add_key(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert the hash and the scope of a new key."""
    connection.execute(insert(ApiKey).values(**values))


def find_caller(connection: Connection, key: str) -> Caller | None:
    """Find the caller of a key; None if it is unknown or revoked."""
    found = connection.execute(
        select(ApiKey.id, ApiKey.name, ApiKey.role, ApiKey.department, ApiKey.person).where(
            ApiKey.key_hash == hash_key(key), ApiKey.revoked_at.is_(None)
        )
    ).one_or_none()
    return found and Caller(found.id, found.name, Role(found.role), found.department, found.person)


def list_keys(connection: Connection) -> Sequence[Row[Any]]:
    """List all keys, the oldest first, without their hashes."""
    columns = [column for column in ApiKey.__table__.columns if column.name != "key_hash"]
    return connection.execute(select(*columns).order_by(ApiKey.id)).all()


def revoke_key(connection: Connection, key_id: UUID, at: datetime) -> bool:
    """Revoke a key; return False if there is no such active key."""
    revoked = connection.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(ApiKey.id)
    )
    return revoked.one_or_none() is not None
