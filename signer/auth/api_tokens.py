"""API tokens: ``ast_<id>_<secret>``, sent as bearer tokens.

1. The id finds the record; a SHA-256 is compared in constant time: of the whole text, and of the secret part alone for
   tokens of the old form, which has no checksum. A secret of 256 random bits needs no slow hash.
2. Which part is wrong is not told. A wrong checksum costs no query, an unknown id the same comparison as a known one.
3. A token that was found stays known for ``cache_seconds``, so that a signature does not begin with a query. Only until
   access changes: what was looked up before that is not remembered, also where the answer comes after it.
4. The end of a token is looked at on each request, whatever is remembered; whoever has the secret is told.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

from signer.auth.token_text import ID_BYTES, TokenText
from signer.domain.api_tokens import ApiToken
from signer.domain.identity import ApiTokenIdentity, Identity
from signer.errors import CredentialsExpired, CredentialsRejected
from signer.services.access_ports import ApiTokenStore, Directory, MadeApiToken
from signer.services.ports import Clock

FORM = "ast"
PREFIX = f"{FORM}_"
# As they were made before there was a checksum; those that exist are valid until they are revoked.
OLD_PATTERN = re.compile(r"ast_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
# Where the id stands in a text of either form.
_ID = slice(len(PREFIX), len(PREFIX) + 2 * ID_BYTES)
CACHE_ENTRIES = 1024
DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    token_id: str
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    identity: ApiTokenIdentity
    secret_sha256: bytes
    until: float


class ApiTokenAuthenticator:
    """``auth.methods.BearerMethod`` for API tokens. ``used``: told the id of a token that proved an identity."""

    def __init__(
        self,
        *,
        store: ApiTokenStore,
        directory: Directory,
        clock: Clock,
        monotonic: Callable[[], float],
        cache_seconds: float,
        used: Callable[[str], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._monotonic = monotonic
        self._cache_seconds = cache_seconds
        self._used = used
        # Guards the three together. Read without it: one entry is replaced as a whole.
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._proved: set[Identity] = set()
        self._changes = 0  # of access, as far as this worker was told

    def named(self, token: str) -> str | None:
        """The id that the text begins with, if it has the form of a token."""
        shown = _shown(token)
        return None if shown is None else PREFIX + shown.token_id

    def authenticate(self, token: str) -> Identity:
        """The identity behind the text of a token.

        Raises ``CredentialsExpired`` where its time is over, ``CredentialsRejected`` for all else that proves nothing.
        """
        shown = _shown(token)
        if shown is None:
            raise CredentialsRejected
        known = self._lookup(shown.token_id)
        if not _proves(known, shown) or known is None:
            raise CredentialsRejected
        return self._in_time(known.identity)

    def remembered(self, token: str) -> Identity | None:
        """The identity, if the token was looked up a moment ago; asks no database. Raises ``CredentialsExpired``."""
        known = self._known.get(token[_ID])
        if known is None or self._monotonic() >= known.until or not _is_of(known, token):
            return None
        return self._in_time(known.identity)

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` unless an API token still proves this very identity."""
        stored = self._store.find(identity.token_id) if isinstance(identity, ApiTokenIdentity) else None
        if stored is None or self._identity(stored.token) != identity:
            raise CredentialsRejected
        self._in_time(self._identity(stored.token))

    def proved(self, identity: Identity) -> bool:
        """Whether an API token was looked up for this identity since access changed last; asks no database."""
        return identity in self._proved

    def forget(self) -> None:
        """Look every token up again at its next use."""
        with self._lock:
            self._changes += 1
            self._known.clear()
            self._proved.clear()

    def _in_time(self, identity: ApiTokenIdentity) -> ApiTokenIdentity:
        if identity.expires_at is not None and self._clock() >= identity.expires_at:
            raise CredentialsExpired(expires_at=identity.expires_at)
        self._used(identity.token_id)
        return identity

    def _lookup(self, token_id: str) -> _Known | None:
        now = self._monotonic()
        known = self._known.get(token_id)
        if known is not None and now < known.until:
            return known
        changes = self._changes
        stored = self._store.find(token_id)
        if stored is None:
            return None
        known = _Known(
            identity=self._identity(stored.token),
            secret_sha256=stored.secret_sha256,
            until=now + self._cache_seconds,
        )
        with self._lock:
            if changes == self._changes:  # else the token may have been revoked between the query and this
                self._remember(token_id, known)
        return known

    def _identity(self, token: ApiToken) -> ApiTokenIdentity:
        return token.identity(self._directory.membership(token.identity_name, person=token.person))

    def _remember(self, token_id: str, known: _Known) -> None:
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
            self._proved.clear()
        self._known[token_id] = known
        self._proved.add(known.identity)


def made_api_token() -> MadeApiToken:
    """The text of a new token, told this once, and what is kept of it."""
    made = TokenText.make(FORM)
    return MadeApiToken(id=made.id, text=made.text, secret_sha256=_sha256(made.text))


def _shown(token: str) -> _Shown | None:
    read = TokenText.parse(FORM, token)
    if read is not None:
        return _Shown(token_id=read.id, sha256=_sha256(read.text))
    old = OLD_PATTERN.fullmatch(token)
    return None if old is None else _Shown(token_id=old[1], sha256=_sha256(old[2]))


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()


def _is_of(known: _Known, token: str) -> bool:
    # A text whose digest as a whole is the one that was found has the form that was read then.
    if token.isascii() and hmac.compare_digest(_sha256(token), known.secret_sha256):
        return True
    shown = _shown(token)
    return shown is not None and _proves(known, shown)


def _proves(known: _Known | None, shown: _Shown) -> bool:
    # Compared also where there is no such token: how long the answer takes tells nobody which ids exist.
    return hmac.compare_digest(shown.sha256, known.secret_sha256 if known else bytes(DIGEST_BYTES))
