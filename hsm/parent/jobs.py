"""From what callers say to what a token's process is sent, and how far each request has come."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from hsm.algorithms import Algorithm
from hsm.errors import AlgorithmUnsupported, ConfigurationError, TokenError
from hsm.parent.client import TokenClient
from hsm.parent.routing import Route
from hsm.parent.signature_check import SignatureCheck
from hsm.protocol.signing import DIGEST, DIGEST_SIZE, MAX_MESSAGE, MESSAGE, Outcome, PayloadKind, pack_key
from hsm.types import MAX_NAME, PinnedKey

_ED25519 = Algorithm.ED25519


class Job:
    """One signature that is asked for. ``outcome``: None as long as there is none.

    Exactly one of ``message`` and ``digest`` may be missing: a digest from outside has no message, and Ed25519 signs
    messages only. Raises ``AlgorithmUnsupported`` where no token could do it.
    """

    __slots__ = ("digest", "key", "message", "outcome", "packed", "route", "signed")

    def __init__(self, key: PinnedKey, message: bytes | None, digest: bytes | None, route: Route) -> None:
        if key.algorithm is _ED25519:
            if message is None:
                raise AlgorithmUnsupported(algorithm=key.algorithm, reason="signs no such digest")
            if len(message) > MAX_MESSAGE:
                raise AlgorithmUnsupported(algorithm=key.algorithm, reason=f"longer than {MAX_MESSAGE} bytes")
            self.signed = message
        else:
            if digest is None:
                assert message is not None  # noqa: S101  (one of the two is given)
                digest = hashlib.sha256(message).digest()
            if len(digest) != DIGEST_SIZE:
                raise AlgorithmUnsupported(algorithm=key.algorithm, reason="signs no such digest")
            self.signed = digest
        self.key = key
        self.message = message
        self.digest = digest
        self.packed = pack_key(key)
        self.route = route
        self.outcome: Outcome | None = None

    def payload(self, client: TokenClient) -> tuple[PayloadKind, bytes]:
        """What this token has to be given: the digest, or where it insists, the message."""
        capabilities, algorithm = client.status.capabilities, self.key.algorithm
        if self.digest is not None and (capabilities is None or algorithm in capabilities.by_digest):
            return DIGEST, self.digest
        if self.message is not None and (capabilities is None or algorithm in capabilities.by_message):
            if len(self.message) <= MAX_MESSAGE:
                return MESSAGE, self.message
            reason = f"longer than {MAX_MESSAGE} bytes"
        else:
            reason = "no mechanism for it"
        raise AlgorithmUnsupported(token=client.config.name, algorithm=algorithm, reason=reason)

    def failed(self, client: TokenClient, error: TokenError) -> None:
        """``client`` gave no signature: the job is over, or another token is to be asked."""
        final = self.route.failed(client, error)
        if final is not None:
            self.outcome = final

    def settle(self, client: TokenClient, outcome: Outcome, check: SignatureCheck) -> None:
        """What ``client`` answered: a signature leaves only if the pinned public key verifies it."""
        if isinstance(outcome, TokenError):
            self.failed(client, replace(outcome, token=client.config.name))
            return
        try:
            self.outcome = check.verified(self.key, signed=self.signed, signature=outcome)
        except TokenError as error:
            self.outcome = replace(error, token=client.config.name)
            return
        client.status.last_key = self.packed


def unfinished(jobs: Sequence[Job]) -> list[Job]:
    """Those without an outcome."""
    return [job for job in jobs if job.outcome is None]


def checked_names(key_id: bytes | None, label: str | None) -> None:
    """Refuse an identifier or label that no token could have, by ``ConfigurationError``."""
    sizes = [len(key_id)] if key_id is not None else []
    sizes += [len(label.encode("utf-8", "surrogatepass"))] if label is not None else []
    if not all(1 <= size <= MAX_NAME for size in sizes):
        raise ConfigurationError(setting="key", reason=f"identifier or label is not 1 to {MAX_NAME} bytes")
