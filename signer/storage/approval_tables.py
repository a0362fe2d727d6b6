"""The tables of what waits for approvals: proposals, votes, and the beginnings of the artifacts that they are about.

Proposals and votes give power, and are in the access digest. What they are shown by is compared with digests.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from signer.storage.schema import UtcDateTime, metadata

proposals = Table(
    "proposals",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("lookup", String(64), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("key", String(63)),
    Column("key_version", Integer),
    Column("sha256", String(64), nullable=False),
    Column("rule", String(63), nullable=False),
    Column("rule_sha256", String(64), nullable=False),
    Column("demands", JSON, nullable=False),
    Column("requester", String(200), nullable=False),
    Column("person", String(63)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False),
    Column("document_sha256", String(64), nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("proposal", ForeignKey("proposals.id"), primary_key=True),
    Column("person", String(63), primary_key=True),
    Column("identity", String(200), nullable=False),
    Column("ballot", String(10), nullable=False),
    Column("reason", String(300), nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# Unverified: whoever reads one compares it with the manifest's digest.
artifact_heads = Table(
    "artifact_heads",
    metadata,
    Column("manifest_sha256", String(64), primary_key=True),
    Column("key", String(63), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("kept_at", UtcDateTime, nullable=False),
)
Index("ix_artifact_heads_key", artifact_heads.c.key)

# As unverified as those. Of who showed one, for a key, so that a digest may name it for a few minutes.
registered_heads = Table(
    "registered_heads",
    metadata,
    Column("identity", String(200), primary_key=True),
    Column("key", String(63), primary_key=True),
    Column("manifest_sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)
Index("ix_registered_heads_expires_at", registered_heads.c.expires_at)
