"""Sessions of CI jobs, for those who administer access: what holds now, and ending it before its time."""

from __future__ import annotations

from signer.domain.ci import CiSession
from signer.domain.people import checked_identity
from signer.domain.reasons import checked_reason
from signer.errors import CiSessionNotFound
from signer.services.access_ports import CiSessionRecords


class CiSessionAdministration:
    """Lists and revokes sessions. Safe for threads. ``actor``: who asks, as leaves name them."""

    def __init__(self, *, records: CiSessionRecords) -> None:
        self._records = records

    def sessions(self) -> tuple[CiSession, ...]:
        """All that are not over, the oldest first, revoked ones too."""
        return self._records.all_sessions()

    def revoke(self, session: str, *, reason: str, actor: str) -> int:
        """Let one session prove nothing any more; raises ``CiSessionNotFound`` where it does not anyway."""
        revoked = self._records.revoke(actor, checked_reason(reason), session=session)
        if not revoked:
            raise CiSessionNotFound(session=session)
        return revoked

    def revoke_all(self, unverified_identity: str, *, reason: str, actor: str) -> int:
        """Let no session of an identity prove anything any more; how many did until now."""
        identity = checked_identity(unverified_identity)
        return self._records.revoke(actor, checked_reason(reason), identity=identity)
