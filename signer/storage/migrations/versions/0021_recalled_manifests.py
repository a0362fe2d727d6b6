"""Recalled manifests."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Make the table; nothing was recalled before."""
    op.create_table(
        "recalled_manifests",
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("recalled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("manifest_sha256", name="pk_recalled_manifests"),
    )
