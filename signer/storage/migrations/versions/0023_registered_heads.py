"""Heads that were shown before a digest names them."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "registered_heads",
        sa.Column("identity", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("identity", "key", "manifest_sha256", name="pk_registered_heads"),
    )
    op.create_index("ix_registered_heads_expires_at", "registered_heads", ["expires_at"])
