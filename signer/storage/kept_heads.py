"""The beginnings of artifacts that are kept, in SQL: of what waits for approvals, and of what was signed last.

They prove nothing and give no power. Whoever reads one compares it with the digest of the manifest.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from signer.storage.approval_tables import artifact_heads, proposals

# Of each key; what is left out is the oldest.
MAX_OF_KEY = 64
KEPT_FOR = timedelta(days=400)


def keep(connection: Connection, manifest_sha256: str, key: str, content: bytes, now: datetime) -> None:
    """Keep one, and forget what is old, in the caller's transaction."""
    same = (artifact_heads.c.manifest_sha256 == manifest_sha256, artifact_heads.c.key == key)
    kept = connection.execute(select(artifact_heads.c.content).where(*same)).scalar_one_or_none()
    if kept is not None and len(kept) > len(content):
        content = bytes(kept)  # a manifest alone takes no head away
    connection.execute(delete(artifact_heads).where(*same))
    connection.execute(
        artifact_heads.insert().values(manifest_sha256=manifest_sha256, key=key, content=content, kept_at=now)
    )
    awaited = select(proposals.c.sha256)
    over = (artifact_heads.c.kept_at < now - KEPT_FOR) & artifact_heads.c.manifest_sha256.not_in(awaited)
    connection.execute(delete(artifact_heads).where(over))
    too_many = [each for each in kept_of(connection, key)[MAX_OF_KEY:] if each != manifest_sha256]
    waiting = set(connection.execute(awaited).scalars())
    for each in too_many:
        if each not in waiting:
            this = (artifact_heads.c.manifest_sha256 == each, artifact_heads.c.key == key)
            connection.execute(delete(artifact_heads).where(*this))


def content(connection: Connection, manifest_sha256: str) -> bytes | None:
    """What shows most of the artifact with this manifest."""
    wanted = (
        select(artifact_heads.c.content)
        .where(artifact_heads.c.manifest_sha256 == manifest_sha256)
        .order_by(func.length(artifact_heads.c.content).desc())
        .limit(1)
    )
    found = connection.execute(wanted).scalar_one_or_none()
    return None if found is None else bytes(found)


def kept_of(connection: Connection, key: str) -> tuple[str, ...]:
    """The digests of the manifests of which one is kept for a key, the newest first."""
    wanted = (
        select(artifact_heads.c.manifest_sha256)
        .where(artifact_heads.c.key == key)
        .order_by(artifact_heads.c.kept_at.desc(), artifact_heads.c.manifest_sha256)
    )
    return tuple(connection.execute(wanted).scalars())
