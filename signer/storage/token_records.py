"""Tokens in the transaction that records signatures: read after its locks, written after its leaves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection

from signer.domain.keys import Purpose
from signer.domain.recording import Batch
from signer.domain.token_buckets import Bucket
from signer.domain.token_recording import TokenBatch, VersionFacts
from signer.domain.token_records import TokenEntry
from signer.storage.record_statements import Statements
from signer.storage.token_subjects import holders

VERSION_FACTS = """
    SELECT v.id, k.purpose, k.name, v.number, v.fingerprint FROM key_versions v JOIN keys k ON k.id = v.key_id
    WHERE v.id IN {ids}"""
KNOWN = "SELECT jti FROM issued_tokens WHERE jti IN {digests}"
BUCKETS = "SELECT subject, level, at FROM token_buckets WHERE subject IN {digests}"
SET_BUCKET = """
    INSERT INTO token_buckets (subject, level, at) VALUES (:subject, :level, :at)
    ON CONFLICT (subject) DO UPDATE SET level = excluded.level, at = excluded.at"""
ADD_ISSUED = """
    INSERT INTO issued_tokens (jti, kind, subject, auth_set, version_id, name, issued_at, expires_at)
    VALUES (:jti, :kind, :subject, :auth_set, :version_id, :name, :issued_at, :expires_at)"""


@dataclass(frozen=True, slots=True)
class TokenRows:
    """The rows about tokens, in one transaction."""

    connection: Connection
    sql: Statements

    def begin(self, batch: Batch, entries: Collection[TokenEntry]) -> TokenBatch:
        """The state that the entries meet."""
        return TokenBatch(
            batch=batch,
            versions=self._versions({entry.version_id for entry in entries}),
            holders=holders(self.connection, self.sql, entries),
            known=self._known({entry.jti for entry in entries}),
            buckets=self._buckets({entry.holder for entry in entries}),
        )

    def write(self, tokens: TokenBatch) -> None:
        """What the batch adds."""
        if not tokens.new:
            return
        self.sql.write(self.connection, ADD_ISSUED, [self._row(entry) for entry in tokens.new])
        moved = [(name, tokens.buckets[name]) for name in sorted(tokens.moved)]
        rows = [(name, bucket.level, self.sql.time(bucket.at)) for name, bucket in moved]
        self.sql.write(self.connection, SET_BUCKET, rows)

    def _versions(self, ids: Collection[int]) -> dict[int, VersionFacts]:
        rows = self.sql.rows(self.connection, VERSION_FACTS, {"ids": self.sql.listed(ids)})
        return {
            row[0]: VersionFacts(purpose=Purpose(row[1]), key=row[2], number=row[3], fingerprint=row[4] or "")
            for row in rows
        }

    def _known(self, ids: Collection[str]) -> set[str]:
        return {jti for (jti,) in self.sql.rows(self.connection, KNOWN, {"digests": self.sql.listed(ids)})}

    def _buckets(self, names: Collection[str]) -> dict[str, Bucket]:
        rows = self.sql.rows(self.connection, BUCKETS, {"digests": self.sql.listed(names)})
        return {name: Bucket(level=level, at=self.sql.read_time(at)) for name, level, at in rows}

    def _row(self, entry: TokenEntry) -> tuple[object, ...]:
        return (
            entry.jti,
            entry.kind.value,
            entry.subject,
            entry.auth_set or None,
            entry.version_id,
            entry.name or None,
            self.sql.time(entry.issued_at),
            self.sql.time(entry.expires_at),
        )
