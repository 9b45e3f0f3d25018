"""References of entries whose submission was taken back, free for others since.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entries", sa.Column("freed_ref", sa.String(length=80), nullable=True))


def downgrade() -> None:
    op.drop_column("entries", "freed_ref")
