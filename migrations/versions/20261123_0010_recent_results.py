"""Results of the newest checks, kept apart until they are indexed by requested number.

Revision: 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recent_results",
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked_digest", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("standing", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_recent_results")),
        schema="ledger",
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.execute(
        "INSERT INTO ledger.check_results (check_id, position, asked_digest, subject_id, standing)"
        " SELECT check_id, position, asked_digest, subject_id, standing FROM ledger.recent_results"
    )
    op.drop_table("recent_results", schema="ledger")
