"""The clock: the last instant that was seen, and corrections of instants that were wrong."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class ClockState(Base):
    """The single row by which a process that starts checks its clock."""

    __tablename__ = "clock_state"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seen_at: Mapped[datetime | None]
    """The last instant that a process with a trusted clock saw."""
    confirmations: Mapped[int]
    """How often a person confirmed the clock; a running process notices the next time by it."""
