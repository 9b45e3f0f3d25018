"""The append-only audit trail: changes in the registry, reads and refusals in the ledger."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import LEDGER, Base, Code, Seq
from app.rules.stored_json import JsonObject


class _Record:
    """Actor, time, action, target and outcome; `detail` holds no personal number."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(Code)
    role: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
    action: Mapped[str] = mapped_column(Code)
    outcome: Mapped[str] = mapped_column(Code)
    target: Mapped[str | None] = mapped_column(Code)
    request_id: Mapped[str | None] = mapped_column(Code)
    detail: Mapped[JsonObject]


class AuditRecord(_Record, Base):
    """The record of a change, committed together with the change."""

    __tablename__ = "audit_records"
    __table_args__ = (Index(None, "target"),)

    seq: Mapped[int | None] = mapped_column(Seq)


class AccessRecord(_Record, Base):
    """A query, an export or a refusal."""

    __tablename__ = "access_records"
    __table_args__ = (Index(None, "target"), {"schema": LEDGER})


class Alarm(Base):
    """An audit record of the ledger that a person must look into."""

    __tablename__ = "alarms"
    __table_args__ = ({"schema": LEDGER},)

    record_id: Mapped[UUID] = mapped_column(primary_key=True)


class UnknownCaller(Base):
    """Attempts without a valid key, counted by source and minute: no flood of rows."""

    __tablename__ = "unknown_callers"
    __table_args__ = ({"schema": LEDGER},)

    source: Mapped[str] = mapped_column(Code, primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    attempts: Mapped[int]
