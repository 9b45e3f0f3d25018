"""Own reports, in the ledger with the checks that they list."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import LEDGER, Base, Code, Digest, Document
from app.rules.stored_json import JsonObject


class StoredApplicant(TypedDict):
    """The applicant of a report; `asked` is the digest of the requested number."""

    kind: str
    name: str
    proof_ref: str
    case_no: str | None
    asked: str


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
    applicant: Mapped[StoredApplicant] = mapped_column(Document)
    content: Mapped[JsonObject]
    sha256: Mapped[str] = mapped_column(Digest)
    actor_id: Mapped[UUID]
    actor_name: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
    scope: Mapped[str | None] = mapped_column(Code)
    """Null in reports of earlier releases, which were all whole."""
    person: Mapped[str | None] = mapped_column(Code)
