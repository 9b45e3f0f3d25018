"""A new epoch: the feed shows masks without any digit, and no effect of a hidden entry.

Followers hold entries as earlier releases showed them. Their next request is answered with 410,
which names the snapshot to start from.

Revision: 0017, after 0016.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from uuid_utils.compat import uuid7

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
# An earlier release would fill the new epoch with what the epoch is there to take away.
oldest_release = "0.3.0"

STATE = sa.table("registry_state", sa.column("epoch", sa.Integer()))
RECORDS = sa.table(
    "audit_records",
    sa.column("id", sa.Uuid()),
    sa.column("recorded_at", sa.DateTime(timezone=True)),
    sa.column("actor_id", sa.Uuid()),
    *(
        sa.column(name, sa.String())
        for name in ("actor_name", "role", "department", "action", "outcome", "target")
    ),
    sa.column("detail", sa.JSON()),
)


def upgrade() -> None:
    connection = op.get_bind()
    # An empty database has no state yet, and no followers.
    epoch = connection.scalar(
        sa.update(STATE).values(epoch=STATE.c.epoch + 1).returning(STATE.c.epoch)
    )
    if epoch is not None:
        connection.execute(
            sa.insert(RECORDS).values(
                id=uuid7(),
                recorded_at=datetime.now(UTC),
                actor_id=None,
                actor_name="command line",
                role="operator",
                department=None,
                action="epoch_started",
                outcome="done",
                target=f"epoch/{epoch}",
                detail={},
            )
        )


def downgrade() -> None:
    """Keep the epoch: numbers of followers must not fit again."""
