"""What may be read of keys and events, and by whom: the one place through which every way in reads records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from signer.domain.access.actions import Action
from signer.domain.events import RecordedEvent
from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.domain.publication import public_key_pem
from signer.errors import KeyNotFound
from signer.services.access import Access
from signer.services.ports import KeyStore
from signer.services.signing import pinned
from signer.services.token_endings import TokenEndings


class QueryService:
    """Reads. Each question is asked for an identity and raises ``AccessDenied`` where that may not read."""

    def __init__(self, *, store: KeyStore, access: Access, endings: TokenEndings) -> None:
        self._store = store
        self._access = access
        self._endings = endings

    def keys(self, identity: Identity) -> tuple[Key, ...]:
        """All keys that the identity may know of, by name."""
        may_read = self._access.readable(identity)
        return tuple(_told(key) for key in self._store.all_keys() if key.existing and may_read(key.name))

    def key(self, identity: Identity, name: str) -> Key:
        """One key with its versions; raises ``KeyNotFound``, also for a key whose pair was never made."""
        self._access.require(identity, Action.READ, name)
        key = self._store.key(name)
        if not key.existing:
            raise KeyNotFound(key=name)
        return _told(key)

    def tokens_valid_until(self, key: Key) -> Mapping[int, datetime | None] | None:
        """Of a key that the identity may read: when the last token of each version ends; None for other keys."""
        return self._endings.valid_until(key)

    def public_key(self, identity: Identity, name: str, number: int) -> bytes:
        """The public key of a version, PEM (``BEGIN PUBLIC KEY``).

        Raises ``KeyNotFound``, ``VersionNotFound`` or ``VersionHasNoPair``.
        """
        key = self.key(identity, name)
        return public_key_pem(pinned(key, key.version(number)).spki)

    def events(self, identity: Identity, *, after: int, limit: int, key: str | None) -> tuple[RecordedEvent, ...]:
        """At most ``limit`` events with an id greater than ``after``, oldest first; ``key``: of this key only."""
        self._access.require(identity, Action.READ_LOG)
        return self._store.events(after=after, limit=limit, key=key)


def _told(key: Key) -> Key:
    """The key without versions that never were: only the events tell of those."""
    return replace(key, versions=key.existing)
