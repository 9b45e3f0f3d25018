"""The last instant that the registry has seen, by which a process that starts checks its clock.

Revision: 0012, after 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmations", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_clock_state_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_state")),
    )
    # A database that is not empty has seen the instant of its newest change.
    op.execute(
        "INSERT INTO clock_state (id, seen_at, confirmations)"
        " SELECT id, recorded_at, 0 FROM registry_state"
    )


def downgrade() -> None:
    op.drop_table("clock_state")
