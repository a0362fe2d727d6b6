"""Keys, their versions, certificates, events and API tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ACTIVE = sa.text("state = 'active'")
NEXT = sa.text("state IN ('pending', 'next')")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keys",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("algorithm", sa.String(20), nullable=False),
        sa.Column("tokens", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("name", name="uq_keys_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "key_versions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("disabled_from", sa.String(20)),
        sa.Column("origin", sa.String(20), nullable=False),
        sa.Column("cka_id", sa.LargeBinary(255), nullable=False),
        sa.Column("spki", sa.LargeBinary()),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("tokens", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("not_before", MOMENT),
        sa.Column("not_after", MOMENT),
        sa.Column("signature_limit", sa.BigInteger()),
        sa.Column("signature_count", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("last_signed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_key_versions"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_versions_key_id"),
        sa.UniqueConstraint("key_id", "number", name="uq_key_versions_key_id"),
        sa.CheckConstraint("signature_limit IS NULL OR signature_count <= signature_limit", name="signature_limit"),
        sa.CheckConstraint(
            "spki IS NOT NULL OR state IN ('pending', 'destroyed', 'destroying')",
            name="pinned_unless_pending",
        ),
        sqlite_autoincrement=True,
    )
    for name, condition in (("uq_key_versions_active", ACTIVE), ("uq_key_versions_next", NEXT)):
        op.create_index(
            name, "key_versions", ["key_id"], unique=True, sqlite_where=condition, postgresql_where=condition
        )
    op.create_index("uq_key_versions_fingerprint", "key_versions", ["fingerprint"], unique=True)
    op.create_table(
        "certificates",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("self_signed", sa.Boolean(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("chain_pem", sa.Text(), nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_certificates"),
        sa.ForeignKeyConstraint(["version_id"], ["key_versions.id"], name="fk_certificates_version_id"),
    )
    op.create_index("ix_certificates_version_id", "certificates", ["version_id"])
    op.create_table(
        "events",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63)),
        sa.Column("version", sa.Integer()),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_key", "events", ["key"])
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_tokens"),
        sa.UniqueConstraint("name", name="uq_api_tokens_name"),
    )
