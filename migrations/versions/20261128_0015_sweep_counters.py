"""Counters that notice a search for personal numbers, and the list of alarms.

Revision: 0015, after 0014.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
oldest_release = "0.3.0"  # an older one does not count, and cannot read the bases of the catalogue


def upgrade() -> None:
    op.create_table(
        "sweep_counters",
        sa.Column("window_ends", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_digest", sa.String(length=32), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("unmatched", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("window_ends", "group_digest", name=op.f("pk_sweep_counters")),
        schema="ledger",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alarms",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_alarms")),
        schema="ledger",
    )


def downgrade() -> None:
    op.drop_table("alarms", schema="ledger")
    op.drop_table("sweep_counters", schema="ledger")
