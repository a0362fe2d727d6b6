"""Signatures and their records, which nothing may change, their head, and the revision of keys and access."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEEN = sa.text("type = 'signature'")
REPEATED = sa.text("type = 'signature-repeated'")
KEPT = ("signatures", "signature_records")


def upgrade() -> None:
    """Make the tables, the two rows, and the triggers that keep the records as they are."""
    _make_signatures()
    _make_records()
    for name, column in (("record_head", "size"), ("access_state", "revision")):
        made = op.create_table(
            name,
            sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column(column, sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
            sa.CheckConstraint("id = 1", name="one_row"),
        )
        op.bulk_insert(made, [{"id": 1, column: 0}])
    if op.get_bind().dialect.name == "postgresql":
        _keep_on_postgresql()
    else:
        _keep_on_sqlite()


def _make_signatures() -> None:
    op.create_table(
        "signatures",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signatures"),
        sa.ForeignKeyConstraint(["version_id"], ["key_versions.id"], name="fk_signatures_version_id"),
        sa.UniqueConstraint("manifest_sha256", "version_id", name="uq_signatures_manifest_sha256"),
    )


def _make_records() -> None:
    op.create_table(
        "signature_records",
        sa.Column("id", ROW_ID, nullable=False, autoincrement=False),
        sa.Column("record_id", sa.LargeBinary(16), nullable=False),
        sa.Column("signature_id", ROW_ID, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("checked", sa.String(20), nullable=False),
        sa.Column("identity", sa.String(200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signature_records"),
        sa.UniqueConstraint("record_id", name="uq_signature_records_record_id"),
        sa.ForeignKeyConstraint(["signature_id"], ["signatures.id"], name="fk_signature_records_signature_id"),
    )
    for column, condition in (("checked", SEEN), ("identity", REPEATED)):
        op.create_index(
            f"uq_signature_records_{column}",
            "signature_records",
            ["signature_id", column],
            unique=True,
            sqlite_where=condition,
            postgresql_where=condition,
        )


def _keep_on_sqlite() -> None:
    for table in KEPT:
        for step in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_keep_{step.lower()} BEFORE {step} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'records are never changed'); END"
            )


def _keep_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION artifact_signer_keep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'records are never changed'; END $$"
    )
    for table in KEPT:
        op.execute(
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION artifact_signer_keep()"
        )
