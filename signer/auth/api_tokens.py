"""API tokens: ``ast_<id>_<secret>``, sent as bearer tokens.

1. The id finds the record; the secret is compared as a SHA-256 in constant time. A secret of 256 random bits needs
   no slow hash.
2. Which part is wrong is not told, and an unknown id costs the same comparison.
3. A token that was found stays known for ``cache_seconds``, so that a signature does not begin with a query. Only until
   access changes: what was looked up before that is not remembered, also where the answer comes after it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from signer.domain.events import Event, EventType
from signer.domain.identity import Identity, Role
from signer.errors import CredentialsRejected
from signer.services.ports import ApiTokenStore

TOKEN_PATTERN = re.compile(r"ast_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
PREFIX = "ast_"
KIND = "api-token"
IDENTITY_PREFIX = f"{KIND}:"
ID_BYTES = 8
SECRET_BYTES = 32
CACHE_ENTRIES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    identity: Identity
    secret_sha256: bytes
    until: float


class ApiTokenAuthenticator:
    """``auth.methods.BearerMethod`` for API tokens."""

    def __init__(self, *, store: ApiTokenStore, monotonic: Callable[[], float], cache_seconds: float) -> None:
        self._store = store
        self._monotonic = monotonic
        self._cache_seconds = cache_seconds
        # Guards the three together. Read without it: one entry is replaced as a whole.
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._proved: set[Identity] = set()
        self._changes = 0  # of access, as far as this worker was told

    def authenticate(self, token: str) -> Identity:
        """The identity behind the text of a token; raises ``CredentialsRejected`` for anything that proves nothing."""
        token_id, secret = _parts(token)
        known = self._lookup(token_id)
        if not _proves(known, secret) or known is None:
            raise CredentialsRejected
        return known.identity

    def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` unless an API token still proves this very identity."""
        name = identity.name.removeprefix(IDENTITY_PREFIX)
        if name == identity.name or self._store.role_of(name) != identity.role:
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:
        """Whether an API token was looked up for this identity since access changed last; asks no database."""
        return identity in self._proved

    def forget(self) -> None:
        """Look every token up again at its next use."""
        with self._lock:
            self._changes += 1
            self._known.clear()
            self._proved.clear()

    def remembered(self, token: str) -> Identity | None:
        """The identity, if the token was looked up a moment ago; asks no database."""
        try:
            token_id, secret = _parts(token)
        except CredentialsRejected:
            return None
        known = self._known.get(token_id)
        if known is None or self._monotonic() >= known.until or not _proves(known, secret):
            return None
        return known.identity

    def _lookup(self, token_id: str) -> _Known | None:
        now = self._monotonic()
        known = self._known.get(token_id)
        if known is not None and now < known.until:
            return known
        changes = self._changes
        record = self._store.find(token_id)
        if record is None:
            return None
        name, role, secret_sha256 = record
        known = _Known(
            identity=Identity(name=f"{IDENTITY_PREFIX}{name}", role=Role(role)),
            secret_sha256=secret_sha256,
            until=now + self._cache_seconds,
        )
        with self._lock:
            if changes == self._changes:  # else the token may have been revoked between the query and this
                self._remember(token_id, known)
        return known

    def _remember(self, token_id: str, known: _Known) -> None:
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
            self._proved.clear()
        self._known[token_id] = known
        self._proved.add(known.identity)


def _parts(token: str) -> tuple[str, str]:
    match = TOKEN_PATTERN.fullmatch(token)
    if match is None:
        raise CredentialsRejected
    return match[1], match[2]


def _proves(known: _Known | None, secret: str) -> bool:
    presented = hashlib.sha256(secret.encode("ascii")).digest()
    # Compared also where there is no such token: how long the answer takes tells nobody which ids exist.
    expected = known.secret_sha256 if known else bytes(len(presented))
    return hmac.compare_digest(presented, expected)


def issue_api_token(store: ApiTokenStore, *, name: str, role: Role, actor: str) -> str:
    """Make a token and record its hash; returns the only copy of its text."""
    token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    store.add(
        token_id=token_id,
        name=name,
        role=role.value,
        secret_sha256=hashlib.sha256(secret.encode("ascii")).digest(),
        event=Event(
            type=EventType.API_TOKEN_CREATED,
            actor=actor,
            key=None,
            version=None,
            before={},
            after={"name": name, "role": role.value},
        ),
    )
    return f"ast_{token_id}_{secret}"


def revoke_api_token(store: ApiTokenStore, *, name: str, actor: str) -> bool:
    """Let a token prove nothing any more; False where it was revoked before. Raises ``ApiTokenNotFound``."""
    return store.revoke(
        name,
        Event(
            type=EventType.API_TOKEN_REVOKED,
            actor=actor,
            key=None,
            version=None,
            before={},
            after={"name": name},
        ),
    )


def reinstate_api_token(store: ApiTokenStore, *, name: str, reason: str, actor: str) -> bool:
    """Take a suspended token back with the secret that it has; False where it is not suspended."""
    event = Event(
        type=EventType.API_TOKEN_REINSTATED,
        actor=actor,
        key=None,
        version=None,
        before={},
        after={"name": name, "reason": reason},
    )
    return store.reinstate(name, event)
