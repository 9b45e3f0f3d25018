"""Scope of own reports, and the person who issued them.

Revision: 0011, after 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in reports of earlier releases, which were all whole.
    for name in ("scope", "person"):
        op.add_column(
            "own_reports", sa.Column(name, sa.String(length=80), nullable=True), schema="ledger"
        )


def downgrade() -> None:
    for name in ("person", "scope"):
        op.drop_column("own_reports", name, schema="ledger")
