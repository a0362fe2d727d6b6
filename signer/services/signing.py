"""A signature, from a checked request to verified bytes.

1. The policy allows it.
2. It is counted, durably, on a version that may sign at this moment; the database decides, not a cached record.
3. The token signs, and the signature verifies with the pinned public key; otherwise the version is quarantined.
4. Nothing leaves unless all of this happened; what fails after 2 gives the count back.
"""

from __future__ import annotations

import base64
import logging
import threading

from hsm import PinnedKey
from hsm.errors import KeyMismatch, SignatureMismatch
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.lifecycle import Step, follow
from signer.domain.policy import decide_artifact_signature
from signer.domain.requests import Signature, SigningRequest
from signer.errors import (
    ClockMovedBack,
    NoActiveVersion,
    SignatureLimitReached,
    StateChanged,
    VersionExpired,
    VersionHasNoPair,
    VersionNotYetValid,
    VersionQuarantined,
)
from signer.services.access import enforce
from signer.services.ports import Clock, KeyStore, SignatureLedger, TokenAccess, VersionChange

SERVICE_ACTOR = "artifact-signer"
# Once with the remembered record, once with a fresh one, once more where a rotation came in between.
RESERVATION_ATTEMPTS = 3

logger = logging.getLogger(__name__)


def pinned(key: Key, version: KeyVersion) -> PinnedKey:
    """The version as the token layer knows it; raises ``VersionHasNoPair``."""
    if version.spki is None:
        raise VersionHasNoPair(key=key.name, version=version.number)
    return PinnedKey(key_id=version.cka_id, algorithm=key.algorithm, spki=version.spki)


class SigningService:
    """Signs what was checked. Safe for threads."""

    def __init__(
        self, *, store: KeyStore, ledger: SignatureLedger, tokens: TokenAccess, clock: Clock, timeout: float
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._tokens = tokens
        self._clock = clock
        self._timeout = timeout
        # Records as last read. They may be stale: the purpose of a born key never changes, the ledger checks the rest.
        self._remembered: dict[str, Key] = {}
        self._lock = threading.Lock()

    def authorise(self, identity: Identity, key_name: str) -> Key:
        """The key, if the identity may have artifacts signed by it: asked before a body is read."""
        key = self._remembered.get(key_name) or self._read(key_name)
        enforce(identity, decide_artifact_signature(identity, key))
        return key

    def sign(self, identity: Identity, key_name: str, request: SigningRequest) -> Signature:
        """A signature over ``request.manifest.raw`` by the key's active version.

        Raises ``AccessDenied``, ``KeyNotFound``, what says why the version may not sign now, or a
        ``hsm.errors.TokenError``.
        """
        key, version = self._reserve(identity, self.authorise(identity, key_name))
        made = False
        try:
            raw = self._tokens.sign(
                pinned(key, version), request.manifest.raw, tokens=key.tokens, timeout=self._timeout
            )
            made = True
        except (KeyMismatch, SignatureMismatch) as error:
            self.quarantine(key, version)
            raise VersionQuarantined(key=key.name, version=version.number) from error
        finally:
            if not made:
                self._ledger.release(version.id)
        return Signature(
            raw=raw,
            encoded=base64.b64encode(raw),
            key=key.name,
            version=version.number,
            algorithm=key.algorithm.value,
            fingerprint=version.fingerprint or "",
        )

    def quarantine(self, key: Key, version: KeyVersion) -> None:
        """Stop the version: the token's key is not the recorded one."""
        state = follow(version.state, Step.QUARANTINE, key=key.name, version=version.number)
        fields = {"disabled_from": version.state.value}
        change = VersionChange(version_id=version.id, expected=version.state, state=state, fields=fields)
        event = Event(
            type=EventType.VERSION_QUARANTINED,
            actor=SERVICE_ACTOR,
            key=key.name,
            version=version.number,
            before={"state": version.state.value},
            after={"state": state.value},
        )
        try:
            self._store.change(key, [change], [event])
        except StateChanged:
            return  # another worker saw the same
        finally:
            self._forget(key.name)
        logger.error("key %s version %d is quarantined: the token holds another key", key.name, version.number)

    def _reserve(self, identity: Identity, key: Key) -> tuple[Key, KeyVersion]:
        for _ in range(RESERVATION_ATTEMPTS):
            version = key.active
            if version is not None and self._ledger.reserve(version.id, timeout=self._timeout):
                return key, version
            refused, key = version, self._read(key.name)
            # The name of a key that was never born may have passed to a key of another purpose.
            enforce(identity, decide_artifact_signature(identity, key))
            if refused is not None and key.active is not None and refused.id == key.active.id:
                break
        raise self._reason(key)

    def _reason(self, key: Key) -> Exception:  # noqa: PLR0911  (one answer per reason)
        """Why the active version of a freshly read key may not sign now."""
        version, now = key.active, self._clock()
        if version is None:
            quarantined = key.in_state(VersionState.QUARANTINED)
            if quarantined is not None:
                return VersionQuarantined(key=key.name, version=quarantined.number)
            return NoActiveVersion(key=key.name)
        validity = version.validity
        if validity.not_before is not None and now < validity.not_before:
            return VersionNotYetValid(key=key.name, version=version.number, not_before=validity.not_before)
        if validity.not_after is not None and now > validity.not_after:
            return VersionExpired(key=key.name, version=version.number, not_after=validity.not_after)
        if validity.signature_limit is not None and version.signature_count >= validity.signature_limit:
            return SignatureLimitReached(key=key.name, version=version.number, limit=validity.signature_limit)
        if version.last_signed_at is not None and now < version.last_signed_at:
            return ClockMovedBack(now=now, newest=version.last_signed_at)
        return StateChanged(key=key.name)

    def _read(self, name: str) -> Key:
        key = self._store.key(name)
        if any(version.fingerprint is not None for version in key.versions):
            with self._lock:
                self._remembered[name] = key
        return key

    def _forget(self, name: str) -> None:
        with self._lock:
            self._remembered.pop(name, None)
