"""Heads that somebody has shown, in SQL, for the minutes in which a digest may name them.

They prove nothing and give no power: whoever reads one compares it with the digest, and decides about it anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from signer.errors.blind import HeadsExhausted
from signer.storage.approval_tables import registered_heads as heads
from signer.storage.database import Database, retried


class SqlRegisteredHeads:
    """``services.registered_heads.RegisteredHeadStore``. ``most``: of one identity at a time."""

    def __init__(self, *, database: Database, most: int) -> None:
        self._database = database
        self._most = most

    @retried
    def keep(self, place: tuple[str, str, str], content: bytes, *, now: datetime, expires_at: datetime) -> None:
        """Keep one at (identity, key, manifest digest), and forget all that are over; raises ``HeadsExhausted``."""
        identity, key, manifest_sha256 = place
        with self._database.writing() as connection:
            connection.execute(delete(heads).where(heads.c.expires_at <= now))
            others = (heads.c.identity == identity) & (
                (heads.c.key != key) | (heads.c.manifest_sha256 != manifest_sha256)
            )
            kept, first = connection.execute(select(func.count(), func.min(heads.c.expires_at)).where(others)).one()
            if kept >= self._most:
                raise HeadsExhausted(limit=self._most, retry_after=(first - now).total_seconds())
            dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
            new = {"content": content, "expires_at": expires_at}
            row = {"identity": identity, "key": key, "manifest_sha256": manifest_sha256, **new}
            connection.execute(
                dialect.insert(heads).values(row).on_conflict_do_update(index_elements=heads.primary_key, set_=new)
            )

    def find(self, identity: str, key: str, digests: Collection[str], *, now: datetime) -> Mapping[str, bytes]:
        """Those of an identity for a key that are not over, by the digests of their manifests."""
        query = select(heads.c.manifest_sha256, heads.c.content).where(
            heads.c.identity == identity,
            heads.c.key == key,
            heads.c.manifest_sha256.in_(list(digests)),
            heads.c.expires_at > now,
        )
        with self._database.reading() as connection:
            return {row.manifest_sha256: bytes(row.content) for row in connection.execute(query)}
