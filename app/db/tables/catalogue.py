"""The law as rows. A version is a whole set, so what a check quoted can always be read again."""

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base, Code
from app.rules.stored_json import JsonObject


class CatalogueVersion(Base):
    """One state of the law in the registry, who made it and why."""

    __tablename__ = "catalogue_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    loaded_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Code)
    note: Mapped[str] = mapped_column(Text)


class CatalogueItem(Base):
    """A domain, department, list type, matter, measure or measure rule (`app/rules/law.py`)."""

    __tablename__ = "catalogue_items"

    version: Mapped[int] = mapped_column(
        ForeignKey("catalogue_versions.version"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(Code, primary_key=True)
    code: Mapped[str] = mapped_column(Code, primary_key=True)
    position: Mapped[int]
    body: Mapped[JsonObject]


class CalendarVersion(Base):
    """One state of the working-day calendar, who loaded it and from what."""

    __tablename__ = "calendar_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    loaded_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Code)
    note: Mapped[str] = mapped_column(Text)


class CalendarYearRow(Base):
    """A year's days off and make-up working days; the newest row at a version counts."""

    __tablename__ = "calendar_years"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(
        ForeignKey("calendar_versions.version"), primary_key=True, autoincrement=False
    )
    off_days: Mapped[list[str]]
    working_days: Mapped[list[str]]
    announced: Mapped[bool]
    source: Mapped[str] = mapped_column(Text)
