"""Own reports, in the ledger with the checks that they list."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import LEDGER, Base, Code, Digest


class IssuedReport(Base):
    """An own report as it was issued, and the code that verifies it."""

    __tablename__ = "own_reports"
    __table_args__ = (Index(None, "subject_id"), {"schema": LEDGER})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    verification_code: Mapped[str] = mapped_column(Code, unique=True)
    issued_at: Mapped[datetime]
    subject_id: Mapped[UUID | None]
    subject_kind: Mapped[str] = mapped_column(Code)
    subject_name: Mapped[str] = mapped_column(String(200))
    applicant: Mapped[dict[str, Any]]
    content: Mapped[dict[str, Any]]
    sha256: Mapped[str] = mapped_column(Digest)
    actor_id: Mapped[UUID]
    actor_name: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
