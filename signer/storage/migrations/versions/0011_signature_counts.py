"""What identities have signed, counted where a limit of a rule asks for it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table; nothing was counted before."""
    op.create_table(
        "signature_counts",
        sa.Column("identity", sa.String(200), nullable=False),
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("period", sa.String(20), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("signatures", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("identity", "key", "period", name="pk_signature_counts"),
    )
