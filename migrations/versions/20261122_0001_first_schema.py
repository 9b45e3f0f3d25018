"""The first schema: the registry's tables, and the ledger of checks and reads.

Revision: 0001, after .
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=True),
        sa.Column("person", sa.String(length=80), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_table(
        "audit_records",
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=False),
        sa.Column("target", sa.String(length=80), nullable=True),
        sa.Column("request_id", sa.String(length=80), nullable=True),
        sa.Column(
            "detail",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_records")),
    )
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_records_target"), ["target"], unique=False)

    op.create_table(
        "calendar_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_calendar_versions")),
    )
    op.create_table(
        "catalogue_versions",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_catalogue_versions")),
    )
    op.create_table(
        "access_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=True),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("outcome", sa.String(length=80), nullable=False),
        sa.Column("target", sa.String(length=80), nullable=True),
        sa.Column("request_id", sa.String(length=80), nullable=True),
        sa.Column(
            "detail",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_records")),
        schema="ledger",
    )
    with op.batch_alter_table("access_records", schema="ledger") as batch_op:
        batch_op.create_index(batch_op.f("ix_access_records_target"), ["target"], unique=False)

    op.create_table(
        "checks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=True),
        sa.Column("request_id", sa.String(length=80), nullable=True),
        sa.Column("matter", sa.String(length=80), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("case_no", sa.Text(), nullable=True),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("catalogue_version", sa.String(length=80), nullable=False),
        sa.Column(
            "answer",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
        schema="ledger",
    )
    with op.batch_alter_table("checks", schema="ledger") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_checks_department_asked_at"), ["department", "asked_at"], unique=False
        )

    op.create_table(
        "unknown_callers",
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "minute", name=op.f("pk_unknown_callers")),
        schema="ledger",
    )
    op.create_table(
        "registry_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column("calendar_version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_registry_state_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registry_state")),
    )
    op.create_table(
        "sealing_keys",
        sa.Column("key_id", sa.String(length=80), nullable=False),
        sa.Column("purpose", sa.String(length=80), nullable=False),
        sa.Column("check_value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_sealing_keys")),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("name_as_of", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
    )
    op.create_table(
        "calendar_years",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "off_days",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "working_days",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version"],
            ["calendar_versions.version"],
            name=op.f("fk_calendar_years_version_calendar_versions"),
        ),
        sa.PrimaryKeyConstraint("year", "version", name=op.f("pk_calendar_years")),
    )
    op.create_table(
        "catalogue_items",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "body",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["version"],
            ["catalogue_versions.version"],
            name=op.f("fk_catalogue_items_version_catalogue_versions"),
        ),
        sa.PrimaryKeyConstraint("version", "kind", "code", name=op.f("pk_catalogue_items")),
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("list_type", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("source_ref", sa.String(length=80), nullable=False),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["replaces"], ["entries.id"], name=op.f("fk_entries_replaces_entries")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_entries_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint(
            "department", "source_ref", name=op.f("uq_entries_department_source_ref")
        ),
    )
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entries_subject_id"), ["subject_id"], unique=False)

    op.create_table(
        "check_results",
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asked_digest", sa.String(length=64), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("standing", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["check_id"], ["ledger.checks.id"], name=op.f("fk_check_results_check_id_checks")
        ),
        sa.PrimaryKeyConstraint("check_id", "position", name=op.f("pk_check_results")),
        schema="ledger",
    )
    with op.batch_alter_table("check_results", schema="ledger") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_check_results_asked_digest"), ["asked_digest"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_check_results_subject_id"), ["subject_id"], unique=False
        )

    op.create_table(
        "outcomes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("check_id", sa.Uuid(), nullable=False),
        sa.Column("ref", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column(
            "measures",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["check_id"], ["ledger.checks.id"], name=op.f("fk_outcomes_check_id_checks")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("check_id", "ref", name=op.f("uq_outcomes_check_id_ref")),
        schema="ledger",
    )
    op.create_table(
        "subject_identifiers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("scheme", sa.String(length=80), nullable=False),
        sa.Column("lookup_key", sa.String(length=200), nullable=False),
        sa.Column("shown", sa.String(length=80), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_subject_identifiers_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_identifiers")),
        sa.UniqueConstraint(
            "scheme", "lookup_key", name=op.f("uq_subject_identifiers_scheme_lookup_key")
        ),
    )
    with op.batch_alter_table("subject_identifiers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_subject_identifiers_subject_id"), ["subject_id"], unique=False
        )

    op.create_table(
        "subject_names",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_subject_names_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("subject_id", "name_key", name=op.f("pk_subject_names")),
    )
    with op.batch_alter_table("subject_names", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subject_names_name_key"), ["name_key"], unique=False)

    op.create_table(
        "entry_persons",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("scheme", sa.String(length=80), nullable=False),
        sa.Column("lookup_key", sa.String(length=64), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_entry_persons_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", "scheme", "lookup_key", name=op.f("pk_entry_persons")),
    )
    with op.batch_alter_table("entry_persons", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_entry_persons_scheme_lookup_key"), ["scheme", "lookup_key"], unique=False
        )

    op.create_table(
        "entry_versions",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("superseded_seq", sa.BigInteger(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("list_type", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("department", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("action_digest", sa.String(length=64), nullable=False),
        sa.Column("change_reason", sa.Text(), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("catalogue_version", sa.Integer(), nullable=False),
        sa.Column(
            "facts",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("facts_digest", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=80), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("effective_until", sa.Date(), nullable=True),
        sa.Column("cap_ends_on", sa.Date(), nullable=True),
        sa.Column("exited_on", sa.Date(), nullable=True),
        sa.Column("revoked_on", sa.Date(), nullable=True),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("disclosure_class", sa.String(length=80), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("calendar_version", sa.Integer(), nullable=False),
        sa.Column("reported_late", sa.Boolean(), nullable=False),
        sa.Column(
            "channels",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("published_on", sa.Date(), nullable=True),
        sa.Column("published_late", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_entry_versions_entry_id_entries")
        ),
        sa.PrimaryKeyConstraint("entry_id", "version", name=op.f("pk_entry_versions")),
    )
    with op.batch_alter_table("entry_versions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_entry_versions_current_decided",
            ["decided_on"],
            unique=False,
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )
        batch_op.create_index(
            "ix_entry_versions_current_list",
            ["list_type", "department", "entry_id"],
            unique=False,
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )
        batch_op.create_index(
            "ix_entry_versions_current_subject",
            ["subject_id"],
            unique=False,
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )
        batch_op.create_index("ix_entry_versions_recorded_at", ["recorded_at"], unique=False)
        batch_op.create_index("ix_entry_versions_seq", ["seq"], unique=True)
        batch_op.create_index(
            "ix_entry_versions_subject_id_seq", ["subject_id", "seq"], unique=False
        )
        batch_op.create_index(
            "ix_entry_versions_unpublished",
            ["department", "deadline"],
            unique=False,
            sqlite_where=sa.text("superseded_seq IS NULL AND published_on IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL AND published_on IS NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("entry_versions", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_entry_versions_unpublished",
            sqlite_where=sa.text("superseded_seq IS NULL AND published_on IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL AND published_on IS NULL"),
        )
        batch_op.drop_index("ix_entry_versions_subject_id_seq")
        batch_op.drop_index("ix_entry_versions_seq")
        batch_op.drop_index("ix_entry_versions_recorded_at")
        batch_op.drop_index(
            "ix_entry_versions_current_subject",
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )
        batch_op.drop_index(
            "ix_entry_versions_current_decided",
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )
        batch_op.drop_index(
            "ix_entry_versions_current_list",
            sqlite_where=sa.text("superseded_seq IS NULL"),
            postgresql_where=sa.text("superseded_seq IS NULL"),
        )

    op.drop_table("entry_versions")
    with op.batch_alter_table("entry_persons", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_entry_persons_scheme_lookup_key"))

    op.drop_table("entry_persons")
    with op.batch_alter_table("subject_names", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subject_names_name_key"))

    op.drop_table("subject_names")
    with op.batch_alter_table("subject_identifiers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subject_identifiers_subject_id"))

    op.drop_table("subject_identifiers")
    op.drop_table("outcomes", schema="ledger")
    with op.batch_alter_table("check_results", schema="ledger") as batch_op:
        batch_op.drop_index(batch_op.f("ix_check_results_subject_id"))
        batch_op.drop_index(batch_op.f("ix_check_results_asked_digest"))

    op.drop_table("check_results", schema="ledger")
    with op.batch_alter_table("entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_entries_subject_id"))

    op.drop_table("entries")
    op.drop_table("catalogue_items")
    op.drop_table("calendar_years")
    op.drop_table("subjects")
    op.drop_table("sealing_keys")
    op.drop_table("registry_state")
    op.drop_table("unknown_callers", schema="ledger")
    with op.batch_alter_table("checks", schema="ledger") as batch_op:
        batch_op.drop_index(batch_op.f("ix_checks_department_asked_at"))

    op.drop_table("checks", schema="ledger")
    with op.batch_alter_table("access_records", schema="ledger") as batch_op:
        batch_op.drop_index(batch_op.f("ix_access_records_target"))

    op.drop_table("access_records", schema="ledger")
    op.drop_table("catalogue_versions")
    op.drop_table("calendar_versions")
    with op.batch_alter_table("audit_records", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_records_target"))

    op.drop_table("audit_records")
    op.drop_table("api_keys")
