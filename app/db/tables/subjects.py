"""Subjects of entries: one row for a subject, however many pushes name it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code

NAME = String(200)
OWNED = text("current")


class Subject(Base):
    """A company, body, business or person; `name_as_of` is the decision that named it last."""

    __tablename__ = "subjects"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Code)
    name: Mapped[str] = mapped_column(NAME)
    name_key: Mapped[str] = mapped_column(NAME)
    name_as_of: Mapped[date]
    created_at: Mapped[datetime]


class SubjectName(Base):
    """Every name that a decision gave the subject, including the present one.

    `current` is false if only decisions on a wrong subject gave the name: it finds nothing today,
    but a re-examination of the past still reaches the subject by it.
    """

    __tablename__ = "subject_names"
    __table_args__ = (Index(None, "name_key"),)

    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    name_key: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    as_of: Mapped[date]
    current: Mapped[bool] = mapped_column(default=True, server_default=true())


class SubjectIdentifier(Base):
    """A number that identifies one subject.

    `lookup_key` holds organisational numbers in clear and personal numbers as a blind index; then
    `ciphertext` holds the encrypted number. `shown` is the form for answers. `current` is as for
    names; a number that is not current may belong to another subject.
    """

    __tablename__ = "subject_identifiers"
    __table_args__ = (
        Index(
            "ix_subject_identifiers_one_owner",
            "scheme",
            "lookup_key",
            unique=True,
            sqlite_where=OWNED,
            postgresql_where=OWNED,
        ),
        Index(None, "scheme", "lookup_key"),
        Index(None, "subject_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"))
    scheme: Mapped[str] = mapped_column(Code)
    lookup_key: Mapped[str] = mapped_column(NAME)
    shown: Mapped[str] = mapped_column(Code)
    ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_id: Mapped[str | None] = mapped_column(Code)
    current: Mapped[bool] = mapped_column(default=True, server_default=true())
