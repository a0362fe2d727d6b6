"""Keys, identities and signatures on record, as a worker last read them, all under one revision of keys and access.

A key is remembered until the revision moves. Whoever decides by a remembered key says under which revision, and the
recorder refuses what was decided under another one: so a record that is stale here can cost a turn, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.services.ports import Identities, KeyStore, SignaturesOnRecord

# How old the revision may be where nothing else has told it, in seconds.
MAX_AGE = 1.0


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key, and the revision that it is no older than."""

    key: Key
    revision: int


class KnownRecords:
    """For one event loop."""

    def __init__(
        self,
        *,
        store: KeyStore,
        identities: Identities,
        on_record: SignaturesOnRecord,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._identities = identities
        self._on_record = on_record
        self._monotonic = monotonic
        self._known: dict[str, KnownKey] = {}
        self._revision: int | None = None
        self._told_at = 0.0

    async def key(self, name: str) -> KnownKey:
        """The key; raises ``KeyNotFound`` or what the database raises."""
        if self._revision is None or self._monotonic() - self._told_at > MAX_AGE:
            self.told(await self._on_record.access_revision())
        return self._known.get(name) or await self.read(name)

    async def present_key(self, name: str) -> KnownKey:
        """The key as it is on record now, read only if anything has changed since it was."""
        self.told(await self._on_record.access_revision())
        return self._known.get(name) or await self.read(name)

    async def read(self, name: str) -> KnownKey:
        """The key as it is on record now."""
        key, revision = await asyncio.to_thread(self._store.key_at, name)
        self.told(revision)
        self._known[name] = known = KnownKey(key, revision)
        return known

    async def confirm(self, identity: Identity) -> None:
        """Raises ``CredentialsRejected`` where the identity's credential is no longer what it was."""
        await asyncio.to_thread(self._identities.confirm, identity)

    async def confirm_unless_proved(self, identity: Identity) -> None:
        """As ``confirm``, where access has changed since the identity was proved, as far as was told."""
        if not self._identities.proved(identity):
            await self.confirm(identity)

    async def signatures(self, places: Collection[tuple[int, str]]) -> Mapping[tuple[int, str], bytes]:
        """The signatures on record, by version id and manifest digest; with them comes the present revision."""
        revision, found = await self._on_record.find(places)
        self.told(revision)
        return found

    def is_current(self, revision: int) -> bool:
        """Whether what was read under ``revision`` is no older than the last that was told."""
        return revision == self._revision

    def told(self, revision: int) -> None:
        """Take note of the present revision: what was remembered under another one is forgotten."""
        self._told_at = self._monotonic()
        if revision != self._revision:
            self._revision = revision
            self._known.clear()
            self._identities.forget()
