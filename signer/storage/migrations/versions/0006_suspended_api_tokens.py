"""API tokens can be suspended: after an older database was put back knowingly, each waits to be taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column."""
    op.add_column("api_tokens", sa.Column("suspended_at", sa.DateTime(timezone=True)))
