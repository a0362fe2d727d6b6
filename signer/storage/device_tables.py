"""The tables of devices and their keys. They give no power over ``/v1``; who writes them can accept a device.

Rows of decommissioned devices and dismissed keys stay: their ids name nothing any more, and none of them comes back.
``revision`` of a row says at which moment of ``device_state`` its status was changed; 0: never; ``FORMER``: never since
it was imported, so that what the server which it comes from has issued still means it.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from signer.storage.schema import UtcDateTime, metadata

PRESENT = text("NOT decommissioning")
# What queries say in place of it: an index with a condition serves those alone that say it in the same words.
IS_PRESENT = text("NOT devices.decommissioning")
CHANGED = text("revision > 0")
SHOWN = text("status <> 'dismissed'")
ACCEPTED = text("status = 'accepted'")
FORMER = -1

devices = Table(
    "devices",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("identity_sha256", String(64), nullable=False),
    Column("identity", Text, nullable=False),
    # The highest of its sets, so that lists need not look at these.
    Column("status", String(20), nullable=False),
    Column("decommissioning", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("checked_in_at", UtcDateTime),
    Column("revision", BigInteger, nullable=False, server_default="0"),
)

auth_sets = Table(
    "auth_sets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("device_id", ForeignKey("devices.id"), nullable=False, index=True),
    Column("pubkey_sha256", String(64), nullable=False),
    Column("pubkey", LargeBinary, nullable=False),
    Column("status", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("valid_until", UtcDateTime),
    Column("replaces", String(36)),
    Column("overlap", Integer, nullable=False, server_default="0"),
    # What the key has sent last of its own time, and the nonces that came with it.
    Column("fresh_ts", BigInteger),
    Column("fresh_nonces", JSON(none_as_null=True)),
    # Whose request made it: an address, or the network of one.
    Column("source", String(64)),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    # With whose certificate its key has come.
    Column("client_ca", String(63)),
)

for _name, _table, _columns, _condition, _unique in (
    ("uq_devices_identity", devices, ("identity_sha256",), PRESENT, True),
    ("ix_devices_identity_sha256", devices, ("identity_sha256",), None, False),
    ("ix_devices_status", devices, ("status", "id"), PRESENT, False),
    ("ix_devices_revision", devices, ("revision",), CHANGED, False),
    ("uq_auth_sets_key", auth_sets, ("device_id", "pubkey_sha256"), SHOWN, True),
    ("uq_auth_sets_accepted", auth_sets, ("device_id",), ACCEPTED, True),
    ("ix_auth_sets_status", auth_sets, ("status", "valid_until"), None, False),
    ("ix_auth_sets_source", auth_sets, ("source", "created_at"), None, False),
    ("ix_auth_sets_revision", auth_sets, ("revision",), CHANGED, False),
):
    Index(
        _name,
        *(_table.c[_column] for _column in _columns),
        unique=_unique,
        sqlite_where=_condition,
        postgresql_where=_condition,
    )
