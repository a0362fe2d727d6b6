"""API tokens end, belong to people, are limited to keys and actions, and need no role."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; tokens that are there have no end, belong to nobody and are not limited."""
    with op.batch_alter_table("api_tokens") as table:
        table.alter_column("role", existing_type=sa.String(20), type_=sa.String(63), nullable=True)
        table.add_column(sa.Column("person", sa.String(63)))
        table.add_column(sa.Column("scope_keys", sa.JSON))
        table.add_column(sa.Column("scope_actions", sa.JSON))
        table.add_column(sa.Column("expires_at", sa.DateTime(timezone=True)))
        table.add_column(sa.Column("last_used_at", sa.DateTime(timezone=True)))
