"""The tables of CI identities: sessions, which give power, and tokens that were used, which give none."""

from __future__ import annotations

from sqlalchemy import JSON, Column, LargeBinary, String, Table

from signer.storage.schema import UtcDateTime, metadata

ci_sessions = Table(
    "ci_sessions",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("issuer", String(63), nullable=False),
    Column("subject", String(100), nullable=False),
    Column("pinned_sha256", String(64), nullable=False),
    Column("claims", JSON, nullable=False),
    Column("secret_sha256", LargeBinary(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("revoked_at", UtcDateTime),
)

# ``token_id``: SHA-256 over issuer and jti. Salt and nonce are there where the session may be given out once more.
used_ci_tokens = Table(
    "used_ci_tokens",
    metadata,
    Column("token_id", LargeBinary(32), primary_key=True),
    Column("used_at", UtcDateTime, nullable=False),
    Column("keep_until", UtcDateTime, nullable=False, index=True),
    Column("session_id", String(16), nullable=False),
    Column("nonce_sha256", LargeBinary(32)),
    Column("salt", LargeBinary(32)),
)
