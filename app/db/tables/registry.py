"""The registry itself: its counters, the keys it was sealed with, who may call it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code, Digest, Seq


class RegistryState(Base):
    """The single row that every change locks last."""

    __tablename__ = "registry_state"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int]
    seq: Mapped[int] = mapped_column(Seq)
    catalogue_version: Mapped[int]
    calendar_version: Mapped[int]
    recorded_at: Mapped[datetime | None]
    """The instant of the newest change; later changes are never earlier, on any node."""
    turned_on: Mapped[date | None]
    """The last day whose day change was recorded (`EntryStatusChange`)."""


class SealingKey(Base):
    """A secret key that the database was sealed with, known by its check value."""

    __tablename__ = "sealing_keys"

    key_id: Mapped[str] = mapped_column(Code, primary_key=True)
    purpose: Mapped[str] = mapped_column(Code)
    check_value: Mapped[str] = mapped_column(Digest)


class ApiKey(Base):
    """API keys; only a hash of each key is stored."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(Digest, unique=True)
    name: Mapped[str] = mapped_column(Code)
    role: Mapped[str] = mapped_column(Code)
    department: Mapped[str | None] = mapped_column(Code)
    person: Mapped[str | None] = mapped_column(Code)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SchemaRelease(Base):
    """The oldest release that may serve on the schema of a migration; one row a migration."""

    __tablename__ = "schema_releases"

    revision: Mapped[str] = mapped_column(Code, primary_key=True)
    oldest_release: Mapped[str] = mapped_column(Code)
