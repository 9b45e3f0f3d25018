"""Sex and age of natural persons, where the law of a list publishes them.

Revision: 0016, after 0015.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
oldest_release = "0.3.0"


def upgrade() -> None:
    # Null in versions of earlier releases: the law of their day had no such fields.
    op.add_column("entry_versions", sa.Column("sex", sa.String(length=80), nullable=True))
    op.add_column("entry_versions", sa.Column("age", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("age", "sex"):
        op.drop_column("entry_versions", name)
