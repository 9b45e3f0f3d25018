"""The clock: the last instant that was seen, and corrections of instants that were wrong."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code, Seq


class ClockState(Base):
    """The single row by which a process that starts checks its clock."""

    __tablename__ = "clock_state"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seen_at: Mapped[datetime | None]
    """The last instant that a process with a trusted clock saw."""
    confirmations: Mapped[int]
    """How often a person confirmed the clock; a running process notices the next time by it."""


class ClockCorrection(Base):
    """A correction of instants that a wrong clock gave to consecutive numbers of a series.

    The instants in the other tables stay as they were written; reads by `known_at` apply the
    correction.
    """

    __tablename__ = "clock_corrections"

    series: Mapped[str] = mapped_column(Code, primary_key=True)
    first_number: Mapped[int] = mapped_column(Seq, primary_key=True, autoincrement=False)
    last_number: Mapped[int] = mapped_column(Seq)
    wrong_from: Mapped[datetime]
    right_from: Mapped[datetime]
    """The wrong and the right instant of the first number."""
    right_until: Mapped[datetime]
    """The right instant of the last number, at the latest."""
    recorded_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Code)
    reason: Mapped[str] = mapped_column(Text)
