"""Corrections of what a wrong clock recorded.

Revision: 0014, after 0013.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
oldest_release = "0.3.0"

BY_DAY = sa.text("cause = 'day'")


def upgrade() -> None:
    op.create_table(
        "clock_corrections",
        sa.Column("series", sa.String(length=80), nullable=False),
        sa.Column("first_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("wrong_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("right_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("right_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("series", "first_number", name=op.f("pk_clock_corrections")),
    )
    op.add_column(
        "entry_versions",
        sa.Column("corrected_received_at", sa.DateTime(timezone=True), nullable=True),
    )
    # A day that a wrong clock began comes a second time, in another epoch.
    op.add_column("entry_turns", sa.Column("epoch", sa.Integer(), nullable=True))
    op.drop_index(
        "ix_entry_turns_once_a_day", "entry_turns", sqlite_where=BY_DAY, postgresql_where=BY_DAY
    )
    op.create_index(
        "ix_entry_turns_once_a_day",
        "entry_turns",
        ["entry_id", "day", "epoch"],
        unique=True,
        sqlite_where=BY_DAY,
        postgresql_where=BY_DAY,
    )


def downgrade() -> None:
    op.drop_index(
        "ix_entry_turns_once_a_day", "entry_turns", sqlite_where=BY_DAY, postgresql_where=BY_DAY
    )
    # The former index allows a day once: of a repaired day it keeps the newest change.
    op.execute(
        "UPDATE entry_turns SET cause = 'clock' WHERE cause = 'day'"
        " AND EXISTS (SELECT 1 FROM entry_turns AS later"
        " WHERE later.cause = 'day' AND later.entry_id = entry_turns.entry_id"
        " AND later.day = entry_turns.day AND later.seq > entry_turns.seq)"
    )
    op.create_index(
        "ix_entry_turns_once_a_day",
        "entry_turns",
        ["entry_id", "day"],
        unique=True,
        sqlite_where=BY_DAY,
        postgresql_where=BY_DAY,
    )
    op.drop_column("entry_turns", "epoch")
    op.drop_column("entry_versions", "corrected_received_at")
    op.drop_table("clock_corrections")
