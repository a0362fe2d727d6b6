"""The table of clients' certificates that are revoked. A row that is missing gives power, so it is in the digest."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from signer.storage.schema import UtcDateTime, metadata

# ``ca``: as the settings call it; ``serial``: lowercase hex without leading zeros.
revoked_certificates = Table(
    "revoked_certificates",
    metadata,
    Column("ca", String(63), primary_key=True),
    Column("serial", String(64), primary_key=True),
    Column("revoked_at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", String(300), nullable=False),
)
