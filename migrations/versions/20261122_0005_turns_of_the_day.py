"""Changes of status that the day, or another entry, made.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BY_DAY = sa.text("cause = 'day'")


def upgrade() -> None:
    op.add_column("registry_state", sa.Column("turned_on", sa.Date(), nullable=True))
    op.create_table(
        "entry_turns",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=80), nullable=False),
        sa.Column("cause", sa.String(length=80), nullable=False),
        sa.Column("cause_entry_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_entry_turns_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_entry_turns")),
    )
    op.create_index(op.f("ix_entry_turns_entry_id"), "entry_turns", ["entry_id"])
    op.create_index(op.f("ix_entry_turns_recorded_at"), "entry_turns", ["recorded_at"])
    op.create_index(
        "ix_entry_turns_once_a_day",
        "entry_turns",
        ["entry_id", "day"],
        unique=True,
        sqlite_where=BY_DAY,
        postgresql_where=BY_DAY,
    )


def downgrade() -> None:
    op.drop_index(
        "ix_entry_turns_once_a_day", "entry_turns", sqlite_where=BY_DAY, postgresql_where=BY_DAY
    )
    op.drop_index(op.f("ix_entry_turns_recorded_at"), "entry_turns")
    op.drop_index(op.f("ix_entry_turns_entry_id"), "entry_turns")
    op.drop_table("entry_turns")
    op.drop_column("registry_state", "turned_on")
