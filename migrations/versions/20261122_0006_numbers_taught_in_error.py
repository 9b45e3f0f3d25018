"""Numbers and names that only a decision on a wrong subject gave belong to no subject.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OWNED = sa.text("current")
TAUGHT = ("subject_identifiers", "subject_names")


def upgrade() -> None:
    for table in TAUGHT:
        op.add_column(
            table, sa.Column("current", sa.Boolean(), server_default=sa.true(), nullable=False)
        )
    with op.batch_alter_table("subject_identifiers") as batch:
        batch.drop_constraint("uq_subject_identifiers_scheme_lookup_key", type_="unique")
    op.create_index(
        "ix_subject_identifiers_one_owner",
        "subject_identifiers",
        ["scheme", "lookup_key"],
        unique=True,
        sqlite_where=OWNED,
        postgresql_where=OWNED,
    )
    op.create_index(
        op.f("ix_subject_identifiers_scheme_lookup_key"),
        "subject_identifiers",
        ["scheme", "lookup_key"],
    )


def downgrade() -> None:
    # Before, a number belonged to one subject for ever: numbers of no subject would block others.
    for table in TAUGHT:
        op.execute(sa.text(f"DELETE FROM {table} WHERE NOT current"))  # noqa: S608 - our own names
    op.drop_index(op.f("ix_subject_identifiers_scheme_lookup_key"), "subject_identifiers")
    op.drop_index(
        "ix_subject_identifiers_one_owner",
        "subject_identifiers",
        sqlite_where=OWNED,
        postgresql_where=OWNED,
    )
    with op.batch_alter_table("subject_identifiers") as batch:
        batch.create_unique_constraint(
            "uq_subject_identifiers_scheme_lookup_key", ["scheme", "lookup_key"]
        )
    for table in reversed(TAUGHT):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("current")
