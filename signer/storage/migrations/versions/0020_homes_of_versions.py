"""The tokens that a version of a key has to live in, where they are not those that the key was made for."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column."""
    op.add_column("key_versions", sa.Column("home", sa.JSON(none_as_null=True), nullable=True))
