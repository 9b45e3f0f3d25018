"""The look-up service that a team writes from the tutorials of FastAPI and of SQLAlchemy's asyncio.

An async engine, a session for each request by `Depends`, a declarative class, Pydantic models in
and out. It requires no key and records nothing.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, String, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["DATABASE_URL"])
async_session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The base class of the table."""


class Entry(Base):
    """A decision that put a subject on a list."""

    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    list_type: Mapped[str] = mapped_column(String(80))
    source_ref: Mapped[str] = mapped_column(String(80))
    case_ref: Mapped[str | None] = mapped_column(String(80))
    subject_kind: Mapped[str] = mapped_column(String(40))
    subject_name: Mapped[str] = mapped_column(String(200))
    uscc: Mapped[str] = mapped_column(String(18), index=True)
    decision_number: Mapped[str] = mapped_column(String(200))
    decision_kind: Mapped[str] = mapped_column(String(40))
    decided_on: Mapped[date]
    reason: Mapped[str]
    legal_basis: Mapped[str]
    severity: Mapped[str | None] = mapped_column(String(40))
    conduct_ended_on: Mapped[date | None]
    effective_from: Mapped[date]
    effective_until: Mapped[date | None]
    disclosure_class: Mapped[str] = mapped_column(String(40))
    responsible_persons: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class Check(BaseModel):
    """The subject, the purpose and the case of a check."""

    uscc: str
    name: str
    purpose: str
    case_no: str


class EntryOut(BaseModel):
    """A decision in an answer."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    list_type: str
    source_ref: str
    case_ref: str | None
    subject_kind: str
    subject_name: str
    uscc: str
    decision_number: str
    decision_kind: str
    decided_on: date
    reason: str
    legal_basis: str
    severity: str | None
    conduct_ended_on: date | None
    effective_from: date
    effective_until: date | None
    disclosure_class: str
    responsible_persons: list[dict[str, Any]]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Create the table when the app starts."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Open a session for the request."""
    async with async_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.post("/checks", response_model=list[EntryOut])
async def check(question: Check, session: SessionDep) -> Sequence[Entry]:
    """List the entries of one subject."""
    found = await session.execute(select(Entry).where(Entry.uscc == question.uscc))
    return found.scalars().all()


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer that the app is up."""
    return {"status": "ok"}
