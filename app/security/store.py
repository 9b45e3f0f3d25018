"""SQL of the API keys and of the meter of sweeps.

Only a hash of each key is stored, so a stolen database opens nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, tuple_, update

from app.db.statements import JsonStatement
from app.db.tables import ApiKey, SweepCounter
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


# --- the meter of sweeps ---------------------------------------------------


class SweepCount(NamedTuple):
    """An addition to one counter of the meter (`SweepCounter`)."""

    window_ends: int
    group: str
    members: str
    unmatched: int


class SweepState(NamedTuple):
    """One counter after the addition, by its group."""

    group: str
    members: str
    unmatched: int
    blocked_until: int


_MERGE = """
ON CONFLICT (window_ends, group_digest) DO UPDATE SET
  members = CASE WHEN {position}(sweep_counters.members, excluded.members) > 0
    THEN sweep_counters.members ELSE sweep_counters.members || excluded.members END,
  unmatched = sweep_counters.unmatched + excluded.unmatched
RETURNING group_digest, members, unmatched, blocked_until"""
_ADD_SWEEP_COUNTS = JsonStatement(
    sqlite="""
INSERT INTO sweep_counters (window_ends, group_digest, members, unmatched)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true"""
    + _MERGE.format(position="instr"),
    postgresql="""
INSERT INTO ledger.sweep_counters (window_ends, group_digest, members, unmatched)
SELECT (value ->> 0)::bigint, value ->> 1, value ->> 2, (value ->> 3)::integer
FROM jsonb_array_elements(%s::jsonb) AS each (value)"""
    + _MERGE.format(position="strpos"),
)


def add_sweep_counts(connection: Connection, counts: Sequence[SweepCount]) -> list[SweepState]:
    """Add to counters, each group once, and return them; members that are there stay as they are.

    The rows stay locked until the transaction ends, so nodes count one after the other.
    """
    return [SweepState(*row) for row in _ADD_SWEEP_COUNTS.fetch(connection, counts)]


def replace_sweep_members(
    connection: Connection, window_ends: int, group: str, members: str
) -> None:
    """Replace the members of a counter."""
    connection.execute(
        update(SweepCounter)
        .where(SweepCounter.window_ends == window_ends, SweepCounter.group_digest == group)
        .values(members=members)
    )


def block_key(connection: Connection, window_ends: int, group: str, until: int) -> None:
    """Store the time until which a key gets no answer about natural persons."""
    connection.execute(
        update(SweepCounter)
        .where(SweepCounter.window_ends == window_ends, SweepCounter.group_digest == group)
        .values(blocked_until=until)
    )


def delete_ended_sweep_counters(connection: Connection, now: int, limit: int) -> int:
    """Delete at most `limit` counters of windows that have ended; return their number."""
    key = (SweepCounter.window_ends, SweepCounter.group_digest)
    ended = select(*key).where(SweepCounter.window_ends <= now).order_by(*key).limit(limit)
    return connection.execute(delete(SweepCounter).where(tuple_(*key).in_(ended))).rowcount


def has_ended_sweep_counters(connection: Connection, now: int) -> bool:
    """Return True if there is a counter of a window that has ended."""
    ended = select(SweepCounter.window_ends).where(SweepCounter.window_ends <= now).limit(1)
    return connection.scalar(ended) is not None
