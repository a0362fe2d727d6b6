"""The tables of who may do what: revisions of the policy, people, groups, and how far versions have come.

All but the floors give power, and are in the access digest. Floors move with signatures; the leaves say what they are.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, String, Table, Text

from signer.storage.schema import RowId, UtcDateTime, metadata

# The newest one is the policy. Triggers keep them as they were applied.
policy_revisions = Table(
    "policy_revisions",
    metadata,
    Column("revision", RowId, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("break_glass", Boolean, nullable=False),
    CheckConstraint("revision > 0", name="counted_from_one"),
)

people = Table(
    "people",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("display", String(200), nullable=False),
    Column("email", String(254)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("disabled_at", UtcDateTime),
)
# Identities that are on record nowhere else (client certificates, CI workloads); an API token's is in its own row.
identity_people = Table(
    "identity_people",
    metadata,
    Column("identity", String(200), primary_key=True),
    Column("person", ForeignKey("people.name"), nullable=False, index=True),
)

groups = Table(
    "groups",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)
# ``member``: a principal, ``person:NAME`` or the name of an identity.
group_members = Table(
    "group_members",
    metadata,
    Column("group_name", ForeignKey("groups.name"), primary_key=True),
    Column("member", String(200), primary_key=True),
)
Index("ix_group_members_member", group_members.c.member)

# The version that was signed last for a device type and a payload type, and the index of the leaf that says so.
version_floors = Table(
    "version_floors",
    metadata,
    Column("key", String(63), primary_key=True),
    Column("device_type", String(255), primary_key=True),
    Column("payload_type", String(255), primary_key=True),
    Column("order", String(20), nullable=False),
    Column("version", String(255), nullable=False),
    Column("set_by_leaf", BigInteger, nullable=False),
)

# What identities have signed with a key in the present period, as far as a limit asked for it. Counters, and no power.
signature_counts = Table(
    "signature_counts",
    metadata,
    Column("identity", String(200), primary_key=True),
    Column("key", String(63), primary_key=True),
    Column("period", String(20), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("signatures", BigInteger, nullable=False),
)
