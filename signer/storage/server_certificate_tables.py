"""The table of servers' certificates. What devices trust is drawn from it, so it is in the digest."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from signer.storage.schema import UtcDateTime, metadata

server_certificates = Table(
    "server_certificates",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("pem", Text, nullable=False),
    Column("chain_pem", Text, nullable=False),
    Column("spki_sha256", String(64), nullable=False),
    Column("private_half", String(20), nullable=False),
    Column("ca_key", String(63)),
    Column("ca_version", Integer),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("published_at", UtcDateTime),
    Column("switched_at", UtcDateTime),
    Column("retired_at", UtcDateTime),
    Column("told_days", Integer),
)
for _state in ("next", "active"):
    _where = server_certificates.c.state == _state
    Index(
        f"uq_server_certificates_{_state}",
        server_certificates.c.name,
        unique=True,
        sqlite_where=_where,
        postgresql_where=_where,
    )
