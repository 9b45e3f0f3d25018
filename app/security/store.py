"""SQL of the API keys; what is stored is a hash, so a stolen database opens nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from app.db.tables import ApiKey
from app.rules.permissions import Caller, Role


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Keep a new key's hash and scope."""
    connection.execute(insert(ApiKey).values(**values))


def find(connection: Connection, key_hash: str) -> Caller | None:
    """The caller whose key has that hash, unless it was revoked."""
    found = connection.execute(
        select(ApiKey.id, ApiKey.name, ApiKey.role, ApiKey.department, ApiKey.person).where(
            ApiKey.key_hash == key_hash, ApiKey.revoked_at.is_(None)
        )
    ).one_or_none()
    return found and Caller(found.id, found.name, Role(found.role), found.department, found.person)


def all_keys(connection: Connection) -> Sequence[Row[Any]]:
    """Every key ever made, oldest first, without its hash."""
    columns = [column for column in ApiKey.__table__.columns if column.name != "key_hash"]
    return connection.execute(select(*columns).order_by(ApiKey.id)).all()


def revoke(connection: Connection, key_id: UUID, at: datetime) -> bool:
    """End a key; False where there is no such key in use."""
    ended = connection.execute(
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(ApiKey.id)
    )
    return ended.one_or_none() is not None
