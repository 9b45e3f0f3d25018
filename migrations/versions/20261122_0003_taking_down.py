"""The first day on which no channel may show an ended entry.

Revision: 0003, after 0002.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ON_SHOW = sa.text("superseded_seq IS NULL AND take_down_from IS NOT NULL")
AT_ONCE = 5_000

versions = sa.table(
    "entry_versions",
    sa.column("entry_id", sa.Uuid()),
    sa.column("version", sa.Integer()),
    sa.column("seq", sa.BigInteger()),
    sa.column("superseded_seq", sa.BigInteger()),
    sa.column("effective_until", sa.Date()),
    sa.column("cap_ends_on", sa.Date()),
    sa.column("exited_on", sa.Date()),
    sa.column("revoked_on", sa.Date()),
    sa.column("channels", sa.JSON()),
    sa.column("take_down_from", sa.Date()),
)


def upgrade() -> None:
    op.add_column("entry_versions", sa.Column("take_down_from", sa.Date(), nullable=True))
    op.create_index(
        "ix_entry_versions_on_show",
        "entry_versions",
        ["take_down_from", "department"],
        sqlite_where=ON_SHOW,
        postgresql_where=ON_SHOW,
    )
    _fill()


def downgrade() -> None:
    op.drop_index(
        "ix_entry_versions_on_show",
        "entry_versions",
        sqlite_where=ON_SHOW,
        postgresql_where=ON_SHOW,
    )
    op.drop_column("entry_versions", "take_down_from")


def _fill() -> None:
    connection = op.get_bind()
    after = 0
    while True:
        rows = connection.execute(
            sa.select(*versions.c)
            .where(versions.c.superseded_seq.is_(None), versions.c.seq > after)
            .order_by(versions.c.seq)
            .limit(AT_ONCE)
        ).all()
        if not rows:
            return
        after = rows[-1].seq
        known = [
            {"entry": row.entry_id, "known": row.version, "day": day}
            for row in rows
            if (day := _over_from(row)) is not None and _stands(row.channels)
        ]
        if known:
            connection.execute(
                sa.update(versions)
                .where(
                    versions.c.entry_id == sa.bindparam("entry"),
                    versions.c.version == sa.bindparam("known"),
                )
                .values(take_down_from=sa.bindparam("day")),
                known,
            )


def _over_from(row: Any) -> date | None:  # noqa: ANN401 - a row
    lasts = [day for day in (row.effective_until, row.cap_ends_on) if day is not None]
    ends = [day for day in (row.exited_on, row.revoked_on) if day is not None]
    ends += [day + timedelta(days=1) for day in lasts]
    return min(ends, default=None)


def _stands(channels: Mapping[str, Any]) -> bool:
    return any(item["published_on"] and not item["withdrawn_on"] for item in channels.values())
