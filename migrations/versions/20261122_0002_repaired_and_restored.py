"""Entries may be repaired, and a repair by false materials taken back.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DAYS = ("repaired_on", "lapsed_from", "lapsed_until")


def upgrade() -> None:
    for name in DAYS:
        op.add_column("entry_versions", sa.Column(name, sa.Date(), nullable=True))


def downgrade() -> None:
    # The former release knows no repair: there the entry has left the list for good.
    op.execute(
        "UPDATE entry_versions SET exited_on = repaired_on"
        " WHERE repaired_on IS NOT NULL AND exited_on IS NULL"
    )
    for name in DAYS:
        op.drop_column("entry_versions", name)
