"""The CA with whose certificate a device's key has come."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column."""
    op.add_column("auth_sets", sa.Column("client_ca", sa.String(63), nullable=True))
