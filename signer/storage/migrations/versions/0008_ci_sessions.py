"""Sessions of CI jobs, and the tokens that were used for them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "ci_sessions",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("issuer", sa.String(63), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("pinned_sha256", sa.String(64), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_ci_sessions"),
    )
    op.create_index("ix_ci_sessions_expires_at", "ci_sessions", ["expires_at"])
    op.create_table(
        "used_ci_tokens",
        sa.Column("token_id", sa.LargeBinary(32), nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.Column("keep_until", MOMENT, nullable=False),
        sa.Column("session_id", sa.String(16), nullable=False),
        sa.Column("nonce_sha256", sa.LargeBinary(32), nullable=True),
        sa.Column("salt", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_used_ci_tokens"),
    )
    op.create_index("ix_used_ci_tokens_keep_until", "used_ci_tokens", ["keep_until"])
