"""The oldest release that may serve on each schema, so that an upgrade needs no standstill.

Revision: 0013, after 0012.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
oldest_release = "0.3.0"


def upgrade() -> None:
    op.create_table(
        "schema_releases",
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("oldest_release", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_releases")),
    )


def downgrade() -> None:
    op.drop_table("schema_releases")
