"""What each worker last said of itself: readiness is the service's, and workers share it here."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "workers",
        sa.Column("service", sa.String(300), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("proved", sa.Float(), nullable=True),
        sa.Column("failed", sa.Float(), nullable=True),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("service", "pid", "started", name="pk_workers"),
    )
