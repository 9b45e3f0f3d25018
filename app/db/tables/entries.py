"""Entries and every version of them; nothing here is ever overwritten but `superseded_seq`."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code, Digest, Document, Seq
from app.rules.stored_json import EntryFacts, StoredChannels

CURRENT = text("superseded_seq IS NULL")
UNPUBLISHED = text("superseded_seq IS NULL AND published_on IS NULL")
ON_SHOW = text("superseded_seq IS NULL AND take_down_from IS NOT NULL")
BY_DAY = text("cause = 'day'")


class Entry(Base):
    """The constant facts of an entry: subject, list type, department and reference.

    Only the reference is released when a whole submission is reversed.
    """

    __tablename__ = "entries"
    __table_args__ = (UniqueConstraint("department", "source_ref"), Index(None, "subject_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"))
    list_type: Mapped[str] = mapped_column(Code)
    kind: Mapped[str] = mapped_column(Code)
    department: Mapped[str] = mapped_column(Code)
    source_ref: Mapped[str] = mapped_column(Code)
    replaces: Mapped[UUID | None] = mapped_column(ForeignKey("entries.id"))
    freed_ref: Mapped[str | None] = mapped_column(Code)
    """The source_ref that it bore until its submission was taken back; free for others since."""
    received_at: Mapped[datetime]


class EntryVersion(Base):
    """One whole state of an entry, known from `seq` until `superseded_seq`.

    `facts` is the decision as the department sent it (`app/entries/recording/proposals.py`), with
    personal numbers encrypted. The dated columns are those facts with the law applied, for the SQL
    twins of the rules.
    """

    __tablename__ = "entry_versions"
    __table_args__ = (
        Index("ix_entry_versions_seq", "seq", unique=True),
        Index("ix_entry_versions_subject_id_seq", "subject_id", "seq"),
        Index(
            "ix_entry_versions_current_subject",
            "subject_id",
            sqlite_where=CURRENT,
            postgresql_where=CURRENT,
        ),
        Index(
            "ix_entry_versions_current_list",
            "list_type",
            "department",
            "entry_id",
            sqlite_where=CURRENT,
            postgresql_where=CURRENT,
        ),
        Index(
            "ix_entry_versions_unpublished",
            "department",
            "deadline",
            sqlite_where=UNPUBLISHED,
            postgresql_where=UNPUBLISHED,
        ),
        Index("ix_entry_versions_recorded_at", "recorded_at"),
        Index(
            "ix_entry_versions_current_decided",
            "decided_on",
            sqlite_where=CURRENT,
            postgresql_where=CURRENT,
        ),
        Index(
            "ix_entry_versions_on_show",
            "take_down_from",
            "department",
            sqlite_where=ON_SHOW,
            postgresql_where=ON_SHOW,
        ),
    )

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(Seq)
    superseded_seq: Mapped[int | None] = mapped_column(Seq)
    subject_id: Mapped[UUID]
    list_type: Mapped[str] = mapped_column(Code)
    kind: Mapped[str] = mapped_column(Code)
    department: Mapped[str] = mapped_column(Code)

    action: Mapped[str] = mapped_column(Code)
    action_digest: Mapped[str] = mapped_column(Digest)
    change_reason: Mapped[str | None] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(Code)
    recorded_at: Mapped[datetime]
    catalogue_version: Mapped[int]

    facts: Mapped[EntryFacts] = mapped_column(Document)
    facts_digest: Mapped[str] = mapped_column(Digest)
    severity: Mapped[str | None] = mapped_column(Code)
    sex: Mapped[str | None] = mapped_column(Code)
    age: Mapped[int | None]
    """In full years on the day of the decision; both only where the law publishes them."""
    decided_on: Mapped[date]
    effective_from: Mapped[date]
    effective_until: Mapped[date | None]
    cap_ends_on: Mapped[date | None]
    exited_on: Mapped[date | None]
    revoked_on: Mapped[date | None]
    repaired_on: Mapped[date | None]
    lapsed_from: Mapped[date | None]
    lapsed_until: Mapped[date | None]
    """From the one day to the eve of the other it counted as repaired, by false materials."""
    void: Mapped[bool]
    disputed: Mapped[bool]

    disclosure_class: Mapped[str] = mapped_column(Code)
    deadline: Mapped[date]
    provisional: Mapped[bool]
    calendar_version: Mapped[int]
    reported_late: Mapped[bool]
    channels: Mapped[StoredChannels] = mapped_column(Document)
    published_on: Mapped[date | None]
    published_late: Mapped[bool | None]
    take_down_from: Mapped[date | None]
    """The first day on which no channel may show the entry, while one still does."""
    corrected_received_at: Mapped[datetime | None]
    """The right `received_at` of the entry, if a wrong clock recorded it."""


class EntryPerson(Base):
    """The encrypted number of a responsible person of an entry; it puts no person on a list."""

    __tablename__ = "entry_persons"
    __table_args__ = (Index(None, "scheme", "lookup_key"),)

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    scheme: Mapped[str] = mapped_column(Code, primary_key=True)
    lookup_key: Mapped[str] = mapped_column(Digest, primary_key=True)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Code)


class EntryStatusChange(Base):
    """A change of status without a new version: made by the day, or by another entry.

    It has a sequence number like a version, so that followers of the feed learn of it.
    """

    __tablename__ = "entry_turns"
    __table_args__ = (
        Index(None, "entry_id"),
        Index(None, "recorded_at"),
        Index(
            "ix_entry_turns_once_a_day",
            "entry_id",
            "day",
            "epoch",
            unique=True,
            sqlite_where=BY_DAY,
            postgresql_where=BY_DAY,
        ),
    )

    seq: Mapped[int] = mapped_column(Seq, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("entries.id"))
    day: Mapped[date]
    status: Mapped[str] = mapped_column(Code)
    cause: Mapped[str] = mapped_column(Code)
    cause_entry_id: Mapped[UUID | None]
    recorded_at: Mapped[datetime]
    epoch: Mapped[int | None]
    """The epoch of a day change: a day that a wrong clock began comes a second time."""
