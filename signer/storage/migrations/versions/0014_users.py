"""Users, and what is counted of their logins."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("email", sa.String(195), nullable=False),
        sa.Column("person", sa.String(63), nullable=True),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("totp_sealed", sa.LargeBinary(255), nullable=True),
        sa.Column("totp_confirmed_at", MOMENT, nullable=True),
        sa.Column("totp_last_step", sa.BigInteger(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("last_login_at", MOMENT, nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.ForeignKeyConstraint(["person"], ["people.name"], name="fk_users_person"),
    )
    op.create_index("ix_users_person", "users", ["person"])
    op.create_index("ix_users_revision", "users", ["revision"])
    op.create_table(
        "login_origins",
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("origin", sa.LargeBinary(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "origin", name="pk_login_origins"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_login_origins_user_id"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("place", sa.LargeBinary(32), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_login_attempts"),
    )
    op.create_index("ix_login_attempts_at", "login_attempts", ["at"])
    op.create_table(
        "token_uses",
        sa.Column("jti", sa.String(36), nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_token_uses"),
    )
    op.create_index("ix_token_uses_last_used_at", "token_uses", ["last_used_at"])
