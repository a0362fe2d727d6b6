"""Signatures over digests, for clients that send nothing else: the same identities, rules, limits and log.

What they name was shown before, or nobody saw it: ``domain.access.blind`` decides about either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.keys import Key
from signer.domain.requests import AnyRequest
from signer.services.artifact_signing import ArtifactSigning
from signer.services.blind_switch import BlindSwitch
from signer.services.known_records import KnownRecords
from signer.services.registered_heads import RegisteredHeads
from signer.services.signing_calls import Result, SigningCall


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestOrder:
    """What is asked for.

    Attributes:
        digests: SHA-256, 32 bytes each.
        dialect: whose words it came in.
        version: the one that has to sign; None: whichever does.
        access_revision: as ``authorise`` gave it.
    """

    identity: Identity
    key: str
    digests: tuple[bytes, ...]
    dialect: str
    access_revision: int
    request_id: str
    version: int | None = None


class DigestSigning:
    """For one event loop."""

    def __init__(self, *, records: KnownRecords, signing: ArtifactSigning, heads: RegisteredHeads) -> None:
        self._records = records
        self._signing = signing
        self._heads = heads

    async def authorise(self, identity: Identity, key: str) -> int:
        """As ``ArtifactSigning.authorise``, for ``sign-blind``: asked before a body is read."""
        return await self._signing.authorise(identity, key, action=Action.SIGN_BLIND)

    async def key(self, name: str) -> Key:
        """The key, for who may read it; raises ``KeyNotFound``."""
        return (await self._records.key(name)).key

    async def sign(self, order: DigestOrder) -> Sequence[tuple[AnyRequest, Result]]:
        """For each digest, what was seen of it, and a signature on record or why there is none."""
        seen = await self._heads.seen(order.identity, order.key, order.digests)
        calls = [
            SigningCall(
                identity=order.identity,
                key=order.key,
                request=each,
                access_revision=order.access_revision,
                request_id=order.request_id,
                dialect=order.dialect,
                version=order.version,
            )
            for each in seen
        ]
        return list(zip(seen, await self._signing.sign_many(calls), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestServices:
    """The switch of each key, heads that were shown before, and the signatures."""

    switch: BlindSwitch
    heads: RegisteredHeads
    signing: DigestSigning
