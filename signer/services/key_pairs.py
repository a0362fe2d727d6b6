"""Makes or finds the key pair of a pending version, and pins it.

A pair becomes part of a version only after it made a signature that its own public key verifies.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from hsm import PinnedKey, TokenKey
from hsm.errors import (
    AlgorithmUnsupported,
    ConfigurationError,
    DeadlineExceeded,
    ExtraMissing,
    KeyExists,
    ModuleMissing,
    PinLocked,
    PinRejected,
    TokenAmbiguous,
    TokenError,
    TokenFull,
    TokenNotFound,
    TokenReadOnly,
)
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.consistency import as_made
from signer.domain.events import Event, EventType
from signer.domain.keys import Key, KeyVersion
from signer.domain.lifecycle import Step, follow
from signer.errors import CreationUnfinished, PairNotSuitable, SignerError
from signer.services.adoption import Adoption
from signer.services.ports import KeyStore, TokenAccess, VersionChange

# An RSA-4096 pair takes a token long.
GENERATION_TIMEOUT = 120.0
# The token layer finds pairs by identifiers of at most so many bytes.
MAX_CKA_ID = 255
# After these the token holds nothing new, and the record can be closed at once. ``TokenStoreFailed`` is none of them: a
# store that failed may have kept one half, or both, so the token is looked at.
CLEAN_REFUSALS = (
    AlgorithmUnsupported,
    ConfigurationError,
    ExtraMissing,
    KeyExists,
    ModuleMissing,
    PinLocked,
    PinRejected,
    TokenAmbiguous,
    TokenFull,
    TokenNotFound,
    TokenReadOnly,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPairSelector:
    """A pair that is in the token already: exactly one of the first two is given.

    ``unverified_public_key``: PEM of its public key or a certificate, for a pair of which the token shows none.
    """

    cka_id: bytes | None = None
    label: str | None = None
    unverified_public_key: bytes | None = None


class KeyPairMaker:
    """Fulfils pending versions."""

    def __init__(self, *, store: KeyStore, tokens: TokenAccess, adoption: Adoption, timeout: float) -> None:
        self._store = store
        self._tokens = tokens
        self._adoption = adoption
        self._timeout = timeout

    def find(self, tokens: Iterable[str], selector: KeyPairSelector) -> TokenKey:
        """The selected pair in the first token that holds it; raises ``hsm.errors.KeyNotFound``.

        ``PairNotSuitable`` where it has no CKA_ID, because it could not be found again.
        """
        missing: TokenError | None = None
        for token in tokens:
            try:
                found = self._tokens.find_key(
                    token, key_id=selector.cka_id, label=selector.label, timeout=self._timeout
                )
            except KeyNotInToken as error:
                missing = missing or error
                continue
            if not 1 <= len(found.key_id) <= MAX_CKA_ID:
                raise PairNotSuitable(reason=f"its CKA_ID has {len(found.key_id)} bytes, it needs 1 to {MAX_CKA_ID}")
            return found
        if missing is None:
            raise LookupError("no token to look in")
        raise missing

    def require_answer(self, token: str, cka_id: bytes) -> None:
        """The token answers and has nothing under ``cka_id``; raises a ``hsm.errors.TokenError``.

        Asked before a creation is recorded: one that cannot even begin leaves no record to be repaired.
        """
        with suppress(KeyNotInToken):
            self._tokens.find_key(token, key_id=cka_id, timeout=self._timeout)
            raise KeyExists(token=token, key_id=cka_id.hex())

    def fulfil(
        self,
        key: Key,
        version: KeyVersion,
        selector: KeyPairSelector | None,
        actor: str,
        done: EventType,
        *,
        activate: bool,
    ) -> tuple[str, ...]:
        """Generate or adopt the version's pair and move it on; returns warnings as sentences.

        An adoption that fails leaves the token as it was, and so does a refusal to generate: the record is closed.
        After another failure the token is looked at: what it made is taken, and what it certainly did not make is
        closed. Where it does not tell, ``CreationUnfinished`` leaves the version pending.
        """
        if selector is None:
            self.pin(key, version, self._generated(key, version, actor), actor, done, activate=activate)
            return ()
        try:
            # By the recorded CKA_ID, however it was selected: a label may stand at another pair by now.
            found = self.find(version.home, KeyPairSelector(cka_id=version.cka_id))
            spki, warnings = self._adoption.examined(key, version, found, selector.unverified_public_key)
            self.pin(key, version, spki, actor, done, activate=activate)
        except (SignerError, TokenError) as error:
            # Where the database cannot take even this, the record stays pending.
            with suppress(SignerError):
                self.abandon(key, version, actor, reason=error.code)
            raise
        return warnings

    def pin(self, key: Key, version: KeyVersion, spki: bytes, actor: str, done: EventType, *, activate: bool) -> Key:
        """Record the pair's public key; the version is next, or active, from here on."""
        steps = (Step.COMPLETE, Step.ROTATE) if activate else (Step.COMPLETE,)
        holders = self._holders(version, PinnedKey(key_id=version.cka_id, algorithm=key.algorithm, spki=spki))
        return self._pinned(key, version, spki, steps, holders, actor, done)

    def pin_public(self, key: Key, version: KeyVersion, spki: bytes, actor: str) -> Key:
        """Record a public key of which no token holds the private half; the version is previous from here on."""
        steps = (Step.COMPLETE, Step.ROTATE, Step.SUPERSEDE)
        return self._pinned(key, version, spki, steps, (), actor, EventType.PUBLIC_KEY_IMPORTED)

    def _pinned(
        self,
        key: Key,
        version: KeyVersion,
        spki: bytes,
        steps: tuple[Step, ...],
        holders: tuple[str, ...],
        actor: str,
        done: EventType,
    ) -> Key:
        state = version.state
        for step in steps:
            state = follow(state, step, key=key.name, version=version.number)
        fingerprint = hashlib.sha256(spki).hexdigest()
        # The public key and the state change together: no version that signs or is published is without its pin, and of
        # two that complete the same version the store lets one.
        change = VersionChange(
            version_id=version.id,
            expected=version.state,
            state=state,
            fields={"spki": spki, "fingerprint": fingerprint, "tokens": list(holders)},
        )
        event = Event(
            type=done,
            actor=actor,
            key=key.name,
            version=version.number,
            before={"state": version.state.value},
            # With the public key itself whoever reads the record can check every signature in it, without asking us.
            after={
                "state": state.value,
                "fingerprint": fingerprint,
                "public_key": base64.b64encode(spki).decode("ascii"),
                "tokens": list(holders),
            },
        )
        return self._store.change(key, [change], [event])

    def abandon(self, key: Key, version: KeyVersion, actor: str, *, reason: str) -> Key:
        """Close the record of a pair that was never made."""
        state = follow(version.state, Step.ABANDON, key=key.name, version=version.number)
        change = VersionChange(version_id=version.id, expected=version.state, state=state, fields={"tokens": []})
        event = Event(
            type=EventType.CREATION_ABANDONED,
            actor=actor,
            key=key.name,
            version=version.number,
            before={"state": version.state.value},
            after={"state": state.value, "reason": reason},
        )
        return self._store.change(key, [change], [event])

    def _holders(self, version: KeyVersion, pin: PinnedKey) -> tuple[str, ...]:
        """The tokens of its home that hold the pair; one that does not answer is left out until it does."""
        holders = []
        for token in version.home:
            try:
                if self._tokens.has_key(token, pin, timeout=self._timeout):
                    holders.append(token)
            except TokenError:
                continue
        return tuple(holders)

    def _generated(self, key: Key, version: KeyVersion, actor: str) -> bytes:
        try:
            return self._tokens.generate(
                key.algorithm,
                key_id=version.cka_id,
                label=f"{key.name}-v{version.number}",
                token=version.tokens[0],
                timeout=GENERATION_TIMEOUT,
            )
        except CLEAN_REFUSALS as error:
            self.abandon(key, version, actor, reason=error.code)
            raise
        except TokenError as error:
            return self._made_all_the_same(key, version, actor, error)

    def _made_all_the_same(self, key: Key, version: KeyVersion, actor: str, failure: TokenError) -> bytes:
        """The pair that the token made although it failed; raises ``failure`` where it made none."""
        token = version.tokens[0]
        unfinished = CreationUnfinished(key=key.name, version=version.number, token=token)
        try:
            found = self._tokens.find_key(token, key_id=version.cka_id, timeout=self._timeout)
        except KeyNotInToken:
            # A token that was only too slow may be making the pair at this moment: its absence proves nothing yet.
            if isinstance(failure, DeadlineExceeded):
                raise unfinished from failure
            self.abandon(key, version, actor, reason=failure.code)
            raise failure from None
        except TokenError:
            raise unfinished from failure
        if found.spki is None or not as_made(key, version, (found,)):
            raise unfinished from failure
        return found.spki
