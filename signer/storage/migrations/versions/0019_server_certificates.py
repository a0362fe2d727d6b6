"""Certificates of TLS servers."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "server_certificates",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("chain_pem", sa.Text(), nullable=False),
        sa.Column("spki_sha256", sa.String(64), nullable=False),
        sa.Column("private_half", sa.String(20), nullable=False),
        sa.Column("ca_key", sa.String(63), nullable=True),
        sa.Column("ca_version", sa.Integer(), nullable=True),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("published_at", MOMENT, nullable=True),
        sa.Column("switched_at", MOMENT, nullable=True),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.Column("told_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name", "fingerprint", name="pk_server_certificates"),
    )
    for state in ("next", "active"):
        where = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_server_certificates_{state}",
            "server_certificates",
            ["name"],
            unique=True,
            sqlite_where=where,
            postgresql_where=where,
        )
