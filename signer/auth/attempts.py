"""Guessing credentials is slow: wrong ones are counted by their address, and by the credential that they claim to be.

1. A count runs out by itself, at a steady rate. Where it is full the next attempt is refused before anybody is asked,
   right or wrong, with the time after which it is heard.
2. By address only where one is believed; IPv6 by its /64, which is one client's. By the public part of a credential
   always, whether or not there is one of that name: the answer tells nobody which exist.
3. A credential that was proved here a while ago is heard also while others guess: a stranger who knows its public part,
   or shares its address, locks nobody out. It is looked up all the same.
4. Certificates are not guessed: whoever shows one has its key. They neither count nor are held up.
5. Memory is bounded: at the bound whoever failed longest ago is forgotten. Each worker counts for itself.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from signer.domain.credentials import Credentials, Peer
from signer.domain.identity import Identity
from signer.errors import CredentialsExpired, CredentialsRejected, TooManyAttempts

SECONDS_PER_MINUTE = 60.0
# Wrong secrets for one credential: this many at once, then this many a minute.
CREDENTIAL_ATTEMPTS = 10
ENTRIES = 4096
GOOD_ENTRIES = 1024


@dataclass(slots=True)
class _Count:
    level: float
    at: float


class Counts:
    """Counts by name. ``most``: how many at once; as many run out in a minute. Safe for threads."""

    def __init__(self, *, most: int, monotonic: Callable[[], float], entries: int = ENTRIES) -> None:
        self._most = most
        self._monotonic = monotonic
        self._entries = entries
        self._lock = threading.Lock()
        # In the order of the last failure, so that the first is whoever failed longest ago.
        self._counts: dict[str, _Count] = {}

    def wait(self, name: str) -> float:
        """Seconds until another attempt is heard; 0 where it is now."""
        with self._lock:
            return self._excess(name) * SECONDS_PER_MINUTE / self._most

    def add(self, name: str) -> None:
        """One more failure."""
        with self._lock:
            level = self._level(name) + 1
            self._counts.pop(name, None)
            self._counts[name] = _Count(level, self._monotonic())
            if len(self._counts) > self._entries:
                del self._counts[next(iter(self._counts))]

    def _excess(self, name: str) -> float:
        return max(0.0, self._level(name) - self._most + 1)

    def _level(self, name: str) -> float:
        count = self._counts.get(name)
        if count is None:
            return 0.0
        run_out = (self._monotonic() - count.at) * self._most / SECONDS_PER_MINUTE
        return max(0.0, count.level - run_out)


class Attempts:
    """``services.access_ports.Attempts``. ``per_address``: in a minute; 0: they are not counted by address."""

    def __init__(self, *, per_address: int, monotonic: Callable[[], float]) -> None:
        self._addresses = Counts(most=per_address, monotonic=monotonic) if per_address else None
        self._credentials = Counts(most=CREDENTIAL_ATTEMPTS, monotonic=monotonic)

    def check(self, peer: Peer, named: str | None = None) -> None:
        """Raises ``TooManyAttempts`` where too many failed from there, or for the credential of this name."""
        wait = max((counts.wait(name) for counts, name in self._places(peer, named)), default=0.0)
        if wait > 0:
            raise TooManyAttempts(retry_after=math.ceil(wait))

    def failed(self, peer: Peer, named: str | None = None) -> None:
        """Another one failed."""
        for counts, name in self._places(peer, named):
            counts.add(name)

    def _places(self, peer: Peer, named: str | None) -> list[tuple[Counts, str]]:
        places = [(self._credentials, named)] if named is not None else []
        if peer.network is not None and self._addresses is not None:
            places.append((self._addresses, peer.network))
        return places


class NamingAuthenticator(Protocol):
    """What is guarded: an authenticator that can tell which credential is claimed."""

    def named(self, credentials: Credentials) -> str | None:
        """The public part of the credential that is shown; None where it has none."""

    def remembered(self, credentials: Credentials) -> Identity | None:
        """As the port."""

    def authenticate(self, credentials: Credentials) -> Identity:
        """As the port."""


class GuardedAuthenticator:
    """``services.ports.Authenticator`` that refuses who guesses."""

    def __init__(self, authenticator: NamingAuthenticator, attempts: Attempts) -> None:
        self._authenticator = authenticator
        self._attempts = attempts
        # Digests of what was proved here, in the order in which it was first.
        self._good: dict[bytes, None] = {}

    def remembered(self, credentials: Credentials) -> Identity | None:
        """The identity, where it is known without asking anybody."""
        return self._authenticator.remembered(credentials)

    def authenticate(self, credentials: Credentials) -> Identity:
        """The identity behind the one credential; raises ``TooManyAttempts``, and what refuses credentials."""
        if credentials.authorization is None:
            return self._authenticator.authenticate(credentials)
        named = self._authenticator.named(credentials)
        digest = hashlib.sha256(credentials.authorization.encode("utf-8", "surrogateescape")).digest()
        if digest not in self._good:
            self._attempts.check(credentials.peer, named)
        try:
            identity = self._authenticator.authenticate(credentials)
        except CredentialsExpired:
            raise
        except CredentialsRejected:
            self._good.pop(digest, None)
            self._attempts.failed(credentials.peer, named)
            raise
        if named is not None:
            self._remember(digest)
        return identity

    def _remember(self, digest: bytes) -> None:
        if len(self._good) >= GOOD_ENTRIES and digest not in self._good:
            self._good.clear()
        self._good[digest] = None
