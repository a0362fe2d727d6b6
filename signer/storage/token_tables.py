"""The tables of tokens that were issued. None of them gives power: a token is its signature, which stands nowhere.

``revision`` of a row says at which moment of ``device_state`` power was taken from it; 0: never.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, ForeignKey, Index, Integer, String, Table, text

from signer.storage.schema import UtcDateTime, metadata

CHANGED = text("revision > 0")

issued_tokens = Table(
    "issued_tokens",
    metadata,
    Column("jti", String(36), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("subject", String(64), nullable=False, index=True),
    Column("auth_set", String(64)),
    Column("version_id", ForeignKey("key_versions.id"), nullable=False),
    # Of a personal access token.
    Column("name", String(200)),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("revoked_at", UtcDateTime),
    Column("revision", BigInteger, nullable=False, server_default="0"),
)
Index("ix_issued_tokens_version_id", issued_tokens.c.version_id, issued_tokens.c.expires_at)
Index("ix_issued_tokens_revision", issued_tokens.c.revision, sqlite_where=CHANGED, postgresql_where=CHANGED)

# How many tokens an auth set or a user has lately got. A row that has run out says the same as none.
token_buckets = Table(
    "token_buckets",
    metadata,
    Column("subject", String(80), primary_key=True),
    Column("level", Float, nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
)

# One row. ``revision`` moves with whatever takes power from a token, and with nothing else.
device_state = Table(
    "device_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
