"""Objections and credit repair: one row for a case, with its steps."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code, Digest, Document
from app.rules.stored_json import JsonObject, StoredCaseStep

OPEN = text("due_on IS NOT NULL")


class RedressCase(Base):
    """An objection to an entry, or an application for its repair.

    `content` is the body as it was sent; `steps` are appended, never changed, and each is on the
    trail too. `due_on` is the last day for the next step; None once the case is closed.
    """

    __tablename__ = "redress_cases"
    __table_args__ = (
        Index(None, "entry_id"),
        Index(
            "ix_redress_cases_open",
            "kind",
            "due_on",
            "id",
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Code)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("entries.id"))
    subject_id: Mapped[UUID]
    department: Mapped[str] = mapped_column(Code)
    state: Mapped[str] = mapped_column(Code)
    received_at: Mapped[datetime]
    received_on: Mapped[date]
    due_on: Mapped[date | None]
    due_provisional: Mapped[bool]
    content: Mapped[JsonObject]
    digest: Mapped[str] = mapped_column(Digest)
    steps: Mapped[list[StoredCaseStep]] = mapped_column(Document)
