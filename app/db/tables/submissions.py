"""Files and bulk pushes: what was received, sealed, and what became of every row."""

from datetime import datetime
from typing import NotRequired, TypedDict
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code, Digest, Document

UNFINISHED = text("finished_at IS NULL")


class StoredFault(TypedDict):
    """A fault of a file or of a row (`RowFault`)."""

    pointer: str
    column: str | None
    code: str
    sentence: str
    sentence_en: str


class StoredProblem(TypedDict):
    """The reason why a file is refused as a whole (`ProblemView`)."""

    code: str
    detail: str
    detail_en: str
    errors: list[StoredFault]


class StoredListChanges(TypedDict):
    """The effect of a full replace on the list; `digest` identifies the entries that leave it."""

    new: int
    changed: int
    ending: int
    unchanged: int
    missing: int
    standing: int
    digest: str


class StoredSubmissionStep(TypedDict):
    """An approval or a reversal, with the person and the reason."""

    by: str
    person: str | None
    at: str
    reason: str
    actor_id: str | None
    role: str
    department: str | None
    digest: NotRequired[str | None]


class StoredRowResult(TypedDict, total=False):
    """The result of a row (`RowView`); a refused row repeats its first fault."""

    row: int
    source_ref: str | None
    outcome: str
    entry_id: str
    version: int
    pointer: str
    column: str | None
    code: str
    sentence: str
    sentence_en: str
    errors: list[StoredFault]


class Submission(Base):
    """One submitted file, from its first byte to the result of its last row.

    The worker holds a lease (`worker` until `leased_until`). Every recorded step names the worker,
    so that a worker whose lease expired cannot write beside its successor.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index(None, "department", "id"),
        Index(
            "ix_submissions_unfinished",
            "state",
            "id",
            sqlite_where=UNFINISHED,
            postgresql_where=UNFINISHED,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
    list_type: Mapped[str | None] = mapped_column(Code)
    mode: Mapped[str] = mapped_column(Code)
    dry_run: Mapped[bool]
    on_error: Mapped[str] = mapped_column(Code)
    commit_rule: Mapped[str] = mapped_column(Code)
    reason: Mapped[str | None] = mapped_column(Text)
    declared_rows: Mapped[int | None]

    format: Mapped[str | None] = mapped_column(Code)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Digest)

    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(Code)
    role: Mapped[str] = mapped_column(Code)
    actor_department: Mapped[str | None] = mapped_column(Code)
    person: Mapped[str | None] = mapped_column(Code)
    request_id: Mapped[str | None] = mapped_column(Code)

    received_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(Code)
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int]
    """Attempts since the last step: a file must not kill workers without end."""

    rows_read: Mapped[int]
    accepted: Mapped[int]
    replayed: Mapped[int]
    refused: Mapped[int]
    corrected: Mapped[int]
    exited: Mapped[int]
    reversed: Mapped[int]
    bytes_read: Mapped[int] = mapped_column(BigInteger)
    problem: Mapped[StoredProblem | None] = mapped_column(Document)
    """Why it was refused as a whole."""
    changes: Mapped[StoredListChanges | None] = mapped_column(Document)
    """A full replace: how many entries are new, changed, unchanged, missing and standing."""
    held_until: Mapped[datetime | None]
    approval: Mapped[StoredSubmissionStep | None] = mapped_column(Document)
    reversal: Mapped[StoredSubmissionStep | None] = mapped_column(Document)


class SubmissionPart(Base):
    """A piece of the file as it was sent, sealed: it may hold personal numbers."""

    __tablename__ = "submission_parts"

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Code)


class SubmissionBatch(Base):
    """Results of consecutive rows, recorded in the transaction of the rows."""

    __tablename__ = "submission_batches"

    submission_id: Mapped[UUID] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_row: Mapped[int]
    refused: Mapped[int]
    results: Mapped[list[StoredRowResult]] = mapped_column(Document)
