"""API tokens are revoked and stay on record: when each was."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; tokens that are there are valid."""
    op.add_column("api_tokens", sa.Column("revoked_at", sa.DateTime(timezone=True)))
