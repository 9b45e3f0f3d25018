"""Reports to subjects about themselves; questions that an investigation keeps from them.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checks", sa.Column("withheld_until", sa.Date(), nullable=True), schema="ledger")
    op.add_column("checks", sa.Column("withheld_basis", sa.Text(), nullable=True), schema="ledger")
    op.create_table(
        "own_reports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verification_code", sa.String(length=80), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("subject_kind", sa.String(length=80), nullable=False),
        sa.Column("subject_name", sa.String(length=200), nullable=False),
        sa.Column(
            "applicant",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "content",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_own_reports")),
        sa.UniqueConstraint("verification_code", name=op.f("uq_own_reports_verification_code")),
        schema="ledger",
    )
    op.create_index(
        op.f("ix_own_reports_subject_id"), "own_reports", ["subject_id"], schema="ledger"
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_own_reports_subject_id"), "own_reports", schema="ledger")
    op.drop_table("own_reports", schema="ledger")
    for name in ("withheld_basis", "withheld_until"):
        op.drop_column("checks", name, schema="ledger")
