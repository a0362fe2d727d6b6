"""Tokens of users and devices that were issued, and the counter of what takes power from them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
CHANGED = sa.text("revision > 0")


def upgrade() -> None:
    """Make the tables; the counter begins at 0."""
    op.create_table(
        "issued_tokens",
        sa.Column("jti", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("auth_set", sa.String(64), nullable=True),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("jti", name="pk_issued_tokens"),
        sa.ForeignKeyConstraint(["version_id"], ["key_versions.id"], name="fk_issued_tokens_version_id"),
    )
    for name, columns in (
        ("ix_issued_tokens_subject", ["subject"]),
        ("ix_issued_tokens_expires_at", ["expires_at"]),
        ("ix_issued_tokens_version_id", ["version_id", "expires_at"]),
    ):
        op.create_index(name, "issued_tokens", columns)
    op.create_index(
        "ix_issued_tokens_revision", "issued_tokens", ["revision"], sqlite_where=CHANGED, postgresql_where=CHANGED
    )
    op.create_table(
        "token_buckets",
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_token_buckets"),
    )
    op.create_index("ix_token_buckets_at", "token_buckets", ["at"])
    state = op.create_table(
        "device_state",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device_state"),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(state, [{"id": 1, "revision": 0}])
