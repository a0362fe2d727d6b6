"""Heads that are shown before a digest names them: so what asks with digests alone signs only what was seen.

1. A head is read as strictly as for a signature, and decided as ``sign`` when it is registered and again when it is
   named. It stands for whoever registered it, for one key, for ``KEPT_FOR``; naming it does not use it up, so that
   a request that is sent again is harmless.
2. What is kept is verified at each use: read anew with every check, and it has the digest that names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from signer.domain.access.actions import Action
from signer.domain.access.deciding import decide
from signer.domain.access.decisions import Deny, KeyFacts
from signer.domain.identity import Identity
from signer.domain.refusals import RefusedCall
from signer.domain.requests import AnyRequest, DigestSeen, HeadSeen, SigningRequest, signed_sha256
from signer.errors import SignerError
from signer.errors.blind import BlindSignOff, HeadRequired
from signer.services.access import refusal
from signer.services.known_records import KnownRecords
from signer.services.ports import Clock, Recorder
from verifier import VerificationError

KEPT_FOR = timedelta(minutes=10)


class RegisteredHeadStore(Protocol):
    """Keeps them, for threads."""

    def keep(self, place: tuple[str, str, str], content: bytes, *, now: datetime, expires_at: datetime) -> None:
        """Keep one at (identity, key, manifest digest); raises ``HeadsExhausted``."""

    def find(self, identity: str, key: str, digests: Collection[str], *, now: datetime) -> Mapping[str, bytes]:
        """Those of an identity for a key that are not over, by the digests of their manifests."""


class RegisteredHeads:
    """For one event loop; the database is asked in a thread. ``read``: reads a head as a body is read."""

    def __init__(
        self,
        *,
        records: KnownRecords,
        store: RegisteredHeadStore,
        recorder: Recorder,
        clock: Clock,
        read: Callable[[bytes], SigningRequest],
    ) -> None:
        self._records = records
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._read = read

    async def register(self, identity: Identity, key: str, seen: SigningRequest, *, request_id: str) -> datetime:
        """Keep what was seen; returns until when.

        Raises ``HeadRequired``, ``BlindSignOff``, ``HeadsExhausted``, or as ``ArtifactSigning.sign`` where the rules
        deny it.
        """
        content = b"" if seen.header is None else seen.head
        if not content:
            raise HeadRequired
        await self._require(identity, key, seen, request_id)
        now = self._clock()
        place = identity.name, key, signed_sha256(seen)
        await asyncio.to_thread(self._store.keep, place, content, now=now, expires_at=now + KEPT_FOR)
        return now + KEPT_FOR

    async def seen(self, identity: Identity, key: str, digests: Sequence[bytes]) -> list[AnyRequest]:
        """What was seen of that for which each digest stands, in order."""
        wanted = {digest.hex() for digest in digests}
        kept = await asyncio.to_thread(self._store.find, identity.name, key, wanted, now=self._clock())
        return [self._named(digest, kept.get(digest.hex())) for digest in digests]

    async def _require(self, identity: Identity, key: str, seen: SigningRequest, request_id: str) -> None:
        policy, known = await self._records.present_policy(), await self._records.present_key(key)
        facts, at = KeyFacts(name=key, purpose=known.key.purpose), self._clock()
        decision = decide(policy.policy, identity, Action.SIGN, key=facts, request=seen, at=at)
        reason, error = "", None
        if isinstance(decision, Deny):
            reason, error = decision.reason, refusal(policy.policy, identity, key, decision, at=at)
        elif not known.key.blind_sign:
            reason, error = f"the key {key} signs no digests", BlindSignOff(key=key)
        if error is None:
            return
        self._tell(identity, key, seen, reason, request_id)
        raise error

    def _tell(self, identity: Identity, key: str, seen: SigningRequest, reason: str, request_id: str) -> None:
        self._recorder.refuse(
            RefusedCall(
                identity=identity.name,
                key=key,
                reason=reason,
                request_id=request_id,
                manifest_sha256=signed_sha256(seen),
            )
        )

    def _named(self, digest: bytes, content: bytes | None) -> AnyRequest:
        if content is not None:
            try:
                seen = self._read(content)
            except (VerificationError, SignerError):
                return DigestSeen(digest=digest)
            if isinstance(seen, HeadSeen) and seen.manifest.sha256 == digest.hex():
                return seen
        return DigestSeen(digest=digest)
