"""Objections and credit repair.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = sa.text("due_on IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "redress_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=80), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("due_provisional", sa.Boolean(), nullable=False),
        sa.Column(
            "content",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column(
            "steps",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_redress_cases_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redress_cases")),
    )
    op.create_index(op.f("ix_redress_cases_entry_id"), "redress_cases", ["entry_id"])
    op.create_index(
        "ix_redress_cases_open",
        "redress_cases",
        ["kind", "due_on", "id"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def downgrade() -> None:
    op.drop_index(
        "ix_redress_cases_open", "redress_cases", sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.drop_index(op.f("ix_redress_cases_entry_id"), "redress_cases")
    op.drop_table("redress_cases")
