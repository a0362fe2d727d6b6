"""Sessions of CI jobs: ``asx_…`` bearer tokens that hold for minutes.

1. Kept and compared like API tokens: the id finds the record, SHA-256 of the text is compared in constant time, which
   part is wrong is not told.
2. The end is looked at on each request, whatever is remembered; so is the beginning: a session that was made while a
   clock was ahead would hold until that moment has come.
3. A session holds as long as what was pinned stands in the settings as it stood then: who takes an identity out, or
   pins more, ends its sessions. They end with the person that the identity belongs to as well.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from signer.auth.token_text import ID_BYTES, TokenText
from signer.domain.ci import IDENTITY_KIND, CiSession, PinnedIdentity
from signer.domain.identity import CiIdentity, Identity
from signer.errors import CredentialsExpired, CredentialsRejected
from signer.services.access_ports import Directory
from signer.services.ports import Clock

PREFIX = "asx"
KIND = IDENTITY_KIND
# Where the id stands in a text.
_ID = slice(len(PREFIX) + 1, len(PREFIX) + 1 + 2 * ID_BYTES)
LIFETIME = timedelta(minutes=15)
# By how much the clocks of two machines may differ.
CLOCK_DIFFERENCE = timedelta(seconds=30)
CACHE_ENTRIES = 1024


class CiSessionSource(Protocol):
    """Where sessions are found."""

    def find(self, session_id: str) -> CiSession | None:
        """The session; None where there is none, or it is revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    identity: CiIdentity
    secret_sha256: bytes
    since: datetime
    expires_at: datetime
    until: float

    def holds(self, now: datetime) -> bool:
        """Whether this is within its time."""
        return self.since - CLOCK_DIFFERENCE <= now < self.expires_at


class CiSessionAuthenticator:
    """``auth.methods.BearerMethod`` for sessions. ``pinned``: the identities of the settings."""

    def __init__(
        self,
        *,
        source: CiSessionSource,
        directory: Directory,
        pinned: Iterable[PinnedIdentity],
        clock: Clock,
        monotonic: Callable[[], float],
        cache_seconds: float,
    ) -> None:
        self._source = source
        self._directory = directory
        self._pinned = {identity.digest: identity for identity in pinned}
        self._clock = clock
        self._monotonic = monotonic
        self._cache_seconds = cache_seconds
        # Guards the three together. Read without it: one entry is replaced as a whole.
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._proved: set[str] = set()
        self._changes = 0  # of access, as far as this worker was told

    def named(self, token: str) -> str | None:
        """The id that the text begins with, if it has the form of a session."""
        read = TokenText.parse(PREFIX, token)
        return None if read is None else f"{PREFIX}_{read.id}"

    def authenticate(self, token: str) -> Identity:
        """The identity behind the text of a session.

        Raises ``CredentialsExpired`` where its time is over, ``CredentialsRejected`` for all else that proves nothing.
        """
        read = TokenText.parse(PREFIX, token)
        if read is None:
            raise CredentialsRejected
        known = self._lookup(read.id)
        if not _proves(known, read.text) or known is None:
            raise CredentialsRejected
        now = self._clock()
        if now >= known.expires_at:
            raise CredentialsExpired(expires_at=known.expires_at)
        if not known.holds(now):
            raise CredentialsRejected
        return known.identity

    def remembered(self, token: str) -> Identity | None:
        """The identity, if the session was looked up a moment ago; asks no database."""
        known = self._known.get(token[_ID])
        # A text whose digest is the one that was found has the form that was read then.
        if known is None or self._monotonic() >= known.until or not (token.isascii() and _proves(known, token)):
            return None
        return known.identity if known.holds(self._clock()) else None

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` unless its session still proves this very identity."""
        if not isinstance(identity, CiIdentity):
            raise CredentialsRejected
        known = self._found(identity.session_id)
        if known is None or known.identity != identity or not known.holds(self._clock()):
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:
        """Whether its session was looked up since access changed last; asks no database."""
        return isinstance(identity, CiIdentity) and identity.session_id in self._proved

    def forget(self) -> None:
        """Look every session up again at its next use."""
        with self._lock:
            self._changes += 1
            self._known.clear()
            self._proved.clear()

    def _lookup(self, session_id: str) -> _Known | None:
        known = self._known.get(session_id)
        if known is not None and self._monotonic() < known.until:
            return known
        changes = self._changes
        known = self._found(session_id)
        with self._lock:
            # Else it may have been revoked between the query and this.
            if known is not None and changes == self._changes:
                self._remember(session_id, known)
        return known

    def _found(self, session_id: str) -> _Known | None:
        session = self._source.find(session_id)
        pinned = None if session is None else self._pinned.get(session.pinned_sha256)
        if session is None or pinned is None:
            return None
        try:
            membership = self._directory.membership(pinned.name)
        except CredentialsRejected:
            return None
        identity = CiIdentity(
            name=pinned.name,
            role=pinned.role,
            person=membership.person,
            groups=membership.groups,
            expires_at=session.expires_at,
            issuer=session.issuer,
            id=session.subject,
            claims=session.claims,
            session_id=session.id,
        )
        return _Known(
            identity=identity,
            secret_sha256=session.secret_sha256,
            since=session.created_at,
            expires_at=session.expires_at,
            until=self._monotonic() + self._cache_seconds,
        )

    def _remember(self, session_id: str, known: _Known) -> None:
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
            self._proved.clear()
        self._known[session_id] = known
        self._proved.add(session_id)


def _proves(known: _Known | None, text: str) -> bool:
    shown = hashlib.sha256(text.encode("ascii")).digest()
    # Compared also where there is no such session: how long the answer takes tells nobody which ids exist.
    expected = known.secret_sha256 if known else bytes(len(shown))
    return hmac.compare_digest(shown, expected)
