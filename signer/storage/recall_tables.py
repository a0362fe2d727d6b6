"""The table of recalled manifests. A row that is missing gives power, so it is in the digest."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from signer.storage.schema import UtcDateTime, metadata

# ``leaf``: the index of the leaf that tells of it.
recalled_manifests = Table(
    "recalled_manifests",
    metadata,
    Column("manifest_sha256", String(64), primary_key=True),
    Column("leaf", BigInteger, nullable=False),
    Column("recalled_at", UtcDateTime, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("reason", String(300), nullable=False),
)
