"""Keys that sign digests too."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the column; keys that are there sign none."""
    op.add_column("keys", sa.Column("blind_sign", sa.Boolean()))
