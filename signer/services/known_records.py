"""What a worker last read of policy, keys, identities, recalls and signatures, all under one revision of access.

A key, and the policy, are remembered until the revision moves. Whoever decides by them says under which revision, and
the recorder refuses what was decided under another one: so a record that is stale here can cost a turn, and nothing
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from signer.domain.access.decisions import KeyFacts
from signer.domain.access.policy import Policy
from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.services.access_ports import RecalledManifests
from signer.services.policies import Policies
from signer.services.ports import Identities, KeyStore, SignaturesOnRecord

# How old the revision may be where nothing else has told it, in seconds.
MAX_AGE = 1.0


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key, what decides of it, and the revision that it is no older than. ``named``: what is known without it."""

    key: Key
    facts: KeyFacts
    named: KeyFacts
    revision: int


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """The rules, and the revision of access that they are no older than."""

    policy: Policy
    revision: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """All that decides of a key, as far as it is remembered. ``recalled``: digests of manifests."""

    policy: KnownPolicy
    key: KnownKey
    recalled: frozenset[str]


class KnownRecords:
    """For one event loop."""

    def __init__(
        self,
        *,
        store: KeyStore,
        policies: Policies,
        identities: Identities,
        on_record: SignaturesOnRecord,
        recalls: RecalledManifests,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._policies = policies
        self._identities = identities
        self._on_record = on_record
        self._recalls = recalls
        self._monotonic = monotonic
        self._known: dict[str, KnownKey] = {}
        self._policy: KnownPolicy | None = None
        self._recalled: frozenset[str] | None = None
        self._revision: int | None = None
        self._told_at = 0.0

    def remembered(self, name: str) -> Remembered | None:
        """What is remembered about the key; None where something is not, or was not asked for long enough."""
        key, policy, recalled = self._known.get(name), self._policy, self._recalled
        if key is None or policy is None or recalled is None or self._is_old:
            return None
        return Remembered(policy, key, recalled)

    def proved(self, identity: Identity) -> bool:
        """Whether access has not changed since the identity was proved, as far as was told."""
        return self._identities.proved(identity)

    async def policy(self) -> KnownPolicy:
        """The policy; raises ``PolicyInvalid`` or what its store raises."""
        if self._is_old:
            await self._ask()
        return self._policy or await self._read_policy()

    async def present_policy(self) -> KnownPolicy:
        """The policy as it is in force now, read only if anything has changed since it was."""
        await self._ask()
        return self._policy or await self._read_policy()

    async def key(self, name: str) -> KnownKey:
        """The key; raises ``KeyNotFound`` or what the database raises."""
        if self._is_old:
            await self._ask()
        return self._known.get(name) or await self.read(name)

    async def present_key(self, name: str) -> KnownKey:
        """The key as it is on record now, read only if anything has changed since it was."""
        await self._ask()
        return self._known.get(name) or await self.read(name)

    async def read(self, name: str) -> KnownKey:
        """The key as it is on record now."""
        key, revision = await asyncio.to_thread(self._store.key_at, name)
        self.told(revision)
        facts = KeyFacts(name=name, purpose=key.purpose)
        self._known[name] = known = KnownKey(key, facts, KeyFacts(name=name), revision)
        return known

    @property
    def _is_old(self) -> bool:
        return self._revision is None or self._monotonic() - self._told_at > MAX_AGE

    async def _ask(self) -> None:
        self.told(await self._on_record.access_revision())

    async def _read_policy(self) -> KnownPolicy:
        revision = self._revision or 0
        known = KnownPolicy(await asyncio.to_thread(self._policies.present), revision)
        if revision == self._revision:  # else it may have been read before what moved the revision
            self._policy = known
        return known

    async def recalled(self, manifest_sha256: str) -> bool:
        """Whether the manifest was recalled, as far as is known: recalls move the revision."""
        if self._recalled is None:
            revision = self._revision
            found = await asyncio.to_thread(self._recalls.manifests)
            if revision != self._revision:  # it may have been read before what moved the revision
                return manifest_sha256 in found
            self._recalled = found
        return manifest_sha256 in self._recalled

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
            self._policy = None
            self._recalled = None
            self._identities.forget()
