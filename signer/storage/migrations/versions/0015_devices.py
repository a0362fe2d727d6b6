"""Devices and their keys."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

MOMENT = sa.DateTime(timezone=True)
CHANGED = "revision > 0"
INDEXES = (
    ("uq_devices_identity", "devices", ["identity_sha256"], "NOT decommissioning", True),
    ("ix_devices_status", "devices", ["status", "id"], "NOT decommissioning", False),
    ("ix_devices_revision", "devices", ["revision"], CHANGED, False),
    ("uq_auth_sets_key", "auth_sets", ["device_id", "pubkey_sha256"], "status <> 'dismissed'", True),
    ("uq_auth_sets_accepted", "auth_sets", ["device_id"], "status = 'accepted'", True),
    ("ix_auth_sets_status", "auth_sets", ["status", "valid_until"], None, False),
    ("ix_auth_sets_source", "auth_sets", ["source", "created_at"], None, False),
    ("ix_auth_sets_revision", "auth_sets", ["revision"], CHANGED, False),
    ("ix_auth_sets_device_id", "auth_sets", ["device_id"], None, False),
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "devices",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("identity_sha256", sa.String(64), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("decommissioning", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("checked_in_at", MOMENT, nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
    )
    op.create_table(
        "auth_sets",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("device_id", sa.String(36), nullable=False),
        sa.Column("pubkey_sha256", sa.String(64), nullable=False),
        sa.Column("pubkey", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT, nullable=True),
        sa.Column("replaces", sa.String(36), nullable=True),
        sa.Column("overlap", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fresh_ts", sa.BigInteger(), nullable=True),
        sa.Column("fresh_nonces", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("source", sa.String(64), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_auth_sets"),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name="fk_auth_sets_device_id"),
    )
    for name, table, columns, condition, unique in INDEXES:
        where = None if condition is None else sa.text(condition)
        op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
