"""Which signatures were made past their approvals: of these and of others, one leaf for each amount that was seen."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """No signature was made so before."""
    op.add_column("log_leaves", sa.Column("emergency", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.drop_index("uq_log_leaves_checked", "log_leaves")
    where = sa.text("type = 'signature'")
    op.create_index(
        "uq_log_leaves_checked",
        "log_leaves",
        ["signature_id", "checked", "emergency"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
