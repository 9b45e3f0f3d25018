"""Checks: questions and answers, recorded before the answer is sent."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import LEDGER, Base, Code, Digest, Seq
from app.rules.stored_json import JsonObject


class Check(Base):
    """One check or lookup: who, why, for which case, when, at which state of the registry."""

    __tablename__ = "checks"
    __table_args__ = (Index(None, "department", "asked_at"), {"schema": LEDGER})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Code)
    asked_at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str] = mapped_column(Code)
    role: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
    request_id: Mapped[str | None] = mapped_column(Code)
    matter: Mapped[str | None] = mapped_column(Code)
    purpose: Mapped[str] = mapped_column(Text)
    case_no: Mapped[str | None] = mapped_column(Text)
    on: Mapped[date]
    epoch: Mapped[int]
    seq: Mapped[int] = mapped_column(Seq)
    catalogue_version: Mapped[str] = mapped_column(Code)
    answer: Mapped[JsonObject]
    withheld_until: Mapped[date | None]
    """The last day on which an open investigation hides the question from the subject."""
    withheld_basis: Mapped[str | None] = mapped_column(Text)


class _Result:
    """One subject of a check; the requested number is stored as a keyed digest only."""

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asked_digest: Mapped[str] = mapped_column(Digest)
    subject_id: Mapped[UUID | None]
    standing: Mapped[str | None] = mapped_column(Code)


class IndexedResult(_Result, Base):
    """A result in the index by requested number, where the own report of the subject finds it."""

    __tablename__ = "check_results"
    __table_args__ = (Index(None, "asked_digest"), Index(None, "subject_id"), {"schema": LEDGER})

    check_id: Mapped[UUID] = mapped_column(ForeignKey(f"{LEDGER}.checks.id"), primary_key=True)


class UnindexedResult(_Result, Base):
    """A result of the newest checks, in the order of asking; indexed later (`index_results`).

    To index a digest touches a page of its own, which takes longer than the rest of a check.
    """

    __tablename__ = "recent_results"
    __table_args__ = ({"schema": LEDGER, "sqlite_with_rowid": False},)

    check_id: Mapped[UUID] = mapped_column(primary_key=True)


class Outcome(Base):
    """The measure that the requesting office then took (feedback of joint punishment)."""

    __tablename__ = "outcomes"
    __table_args__ = (UniqueConstraint("check_id", "ref"), {"schema": LEDGER})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    check_id: Mapped[UUID] = mapped_column(ForeignKey(f"{LEDGER}.checks.id"))
    ref: Mapped[str] = mapped_column(Code)
    action: Mapped[str] = mapped_column(Code)
    measures: Mapped[list[str]]
    remark: Mapped[str | None] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(Digest)
    recorded_at: Mapped[datetime]
    actor_id: Mapped[UUID]
    actor_name: Mapped[str] = mapped_column(Code)
