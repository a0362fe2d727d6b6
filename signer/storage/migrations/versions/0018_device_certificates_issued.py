"""Certificates that were issued for devices, and lists of those that are revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "device_certificates",
        sa.Column("ca", sa.String(63), nullable=False),
        sa.Column("serial", sa.String(64), nullable=False),
        sa.Column("identity_sha256", sa.String(64), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("not_before", MOMENT, nullable=False),
        sa.Column("not_after", MOMENT, nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("renews", sa.String(64), nullable=True),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ca", "serial", name="pk_device_certificates"),
    )
    op.create_index("ix_device_certificates_identity", "device_certificates", ["ca", "identity_sha256", "not_after"])
    op.create_index("ix_device_certificates_serial", "device_certificates", ["serial"])
    op.create_table(
        "device_revocation_lists",
        sa.Column("ca", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("this_update", MOMENT, nullable=False),
        sa.Column("next_update", MOMENT, nullable=False),
        sa.Column("revoked", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ca", "version", name="pk_device_revocation_lists"),
    )
