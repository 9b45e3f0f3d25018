"""Whom entries are about; one row however many pushes name them."""

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
    """Every name that a decision gave the subject, the present one included.

    `current` is false where only decisions on the wrong subject gave it: such a name finds nobody
    today, but leads a re-examination of the past to the subject.
    """

    __tablename__ = "subject_names"
    __table_args__ = (Index(None, "name_key"),)

    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    name_key: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME)
    as_of: Mapped[date]
    current: Mapped[bool] = mapped_column(default=True, server_default=true())


class SubjectIdentifier(Base):
    """A number that means one subject.

    Organisational numbers stand in `lookup_key` as they are; personal ones stand there as a blind
    index, and `ciphertext` holds them sealed. `shown` is what an answer may show. `current` is as
    for names; a number that is not current may be another subject's.
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
