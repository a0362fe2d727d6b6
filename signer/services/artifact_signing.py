"""A signature over an artifact's manifest, from a checked request to verified bytes.

1. ``decide`` allows it, for this identity, this key and what was seen of the artifact.
2. It is counted, durably, on a version that may sign at this moment; the database decides, not a cached record.
3. The token signs, and the signature verifies with the pinned public key; otherwise the version is quarantined.
4. Nothing leaves unless all of this happened; what fails after 2 gives the count back.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable

from hsm.errors import KeyMismatch, SignatureMismatch
from signer.domain.identity import Identity
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.messages import ArtifactManifest
from signer.domain.policy import decide, may_ask
from signer.domain.requests import Signature, SigningRequest
from signer.errors import (
    ClockMovedBack,
    NoActiveVersion,
    SignatureLimitReached,
    StateChanged,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
)
from signer.services.access import enforce
from signer.services.clock import SteadyClock
from signer.services.ports import KeyStore, SignatureLedger
from signer.services.signing import MessageSigner, signing_key

# Once with the remembered record, once with a fresh one, once more where a rotation came in between.
RESERVATION_ATTEMPTS = 3


class ArtifactSigning:
    """Signs what was checked. Safe for threads."""

    def __init__(
        self,
        *,
        store: KeyStore,
        ledger: SignatureLedger,
        signer: MessageSigner,
        quarantine: Callable[[Key, KeyVersion], None],
        clock: SteadyClock,
        timeout: float,
        observe: Callable[[BaseException], None],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._signer = signer
        self._quarantine = quarantine
        self._clock = clock
        self._timeout = timeout
        self._observe = observe
        # Records as last read. They may be stale: the purpose of a born key never changes, the ledger checks the rest.
        self._remembered: dict[str, Key] = {}
        self._lock = threading.Lock()

    def authorise(self, identity: Identity, key_name: str) -> Key:
        """The key, as last read, if the identity may ask it to sign artifacts: asked before a body is read.

        Raises ``AccessDenied`` or ``KeyNotFound``.
        """
        key = self._recall(key_name)
        enforce(identity, may_ask(identity, key))
        return key

    def sign(self, identity: Identity, key_name: str, request: SigningRequest) -> Signature:
        """A signature over ``request.manifest.raw`` by the key's active version.

        Raises ``AccessDenied``, ``KeyNotFound``, what says why the version may not sign now, or a
        ``hsm.errors.TokenError``.
        """
        try:
            return self._sign(identity, key_name, request)
        except Exception as error:
            # Whether it was for a reason of the service is for readiness to say.
            self._observe(error)
            raise

    def _sign(self, identity: Identity, key_name: str, request: SigningRequest) -> Signature:
        self._clock.check()
        key, version = self._reserve(identity, self._recall(key_name), request)
        made = False
        try:
            raw = self._signer.sign_bytes(signing_key(key, version), ArtifactManifest(request.manifest))
            made = True
        except (KeyMismatch, SignatureMismatch) as error:
            self._quarantine(key, version)
            raise VersionQuarantined(key=key.name, version=version.number) from error
        finally:
            # The count may never be too low, so it is given back only where certainly no signature leaves.
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

    def _reserve(self, identity: Identity, key: Key, request: SigningRequest) -> tuple[Key, KeyVersion]:
        for _ in range(RESERVATION_ATTEMPTS):
            # For each record anew: the name of a key that was never born may have passed to another one.
            enforce(identity, decide(identity, key, request))
            version = key.active
            if version is not None and self._ledger.reserve(version.id, timeout=self._timeout):
                return key, version
            refused, key = version, self._read(key.name)
            if refused is not None and key.active is not None and refused.id == key.active.id:
                break
        enforce(identity, decide(identity, key, request))
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

    def _recall(self, name: str) -> Key:
        return self._remembered.get(name) or self._read(name)

    def _read(self, name: str) -> Key:
        key = self._store.key(name)
        # A key that was never born may be forgotten and its name taken by another: only born ones are remembered.
        if any(version.fingerprint is not None for version in key.versions):
            with self._lock:
                self._remembered[name] = key
        return key
