"""Counters of the meter that notices a search for personal numbers, in the ledger."""

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import LEDGER, Base


class SweepCounter(Base):
    """One count of one API key in one window of time; deleted when the window has ended.

    It holds keyed digests, never a number, a name or the id of the key.
    """

    __tablename__ = "sweep_counters"
    __table_args__ = ({"schema": LEDGER, "sqlite_with_rowid": False},)

    window_ends: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """In seconds since 1970, so that expired rows are neighbours."""
    group_digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Keyed digest of key, measure and counted value; of the key alone in its own row."""
    members: Mapped[str] = mapped_column(Text)
    """Shortened keyed digests of the different numbers, in the order in which they came."""
    unmatched: Mapped[int]
    """In the row of a key: numbers that matched nobody."""
    blocked_until: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """In the row of a key: until then it gets no answer about natural persons."""
