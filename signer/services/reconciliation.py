"""Reconciliation: finds and ends what a crash between the token's step and the database's left.

1. A pending version whose pair is in the token is completed: the pair makes a signature that its own public key
   verifies, then it is pinned. One whose pair is nowhere is abandoned; its name or number is free again. Of an import
   that came no further the public half is removed.
2. A destruction that was begun is finished.
3. A version in whose place the token holds another key is quarantined, so that nothing asks it for signatures.
4. A pair that no record names is never touched, and a token that cannot be read decides nothing.
5. A pending version that may be under way in a worker is left alone. Should a worker be quicker all the same, the
   store lets only one of the two record what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from hsm import PinnedKey
from hsm.errors import KeyAmbiguous, KeyHalvesDiffer, KeyMismatch, SignatureMismatch, TokenError
from signer.domain.consistency import Discrepancy, DiscrepancyKind, HeldKeyPairs, compare, pending, tokens_of
from signer.domain.events import EventType
from signer.domain.keys import Key, KeyVersion, Origin, VersionState
from signer.domain.lifecycle import TRANSITIONS, Step
from signer.domain.messages import SelfCheck
from signer.errors import PairNotSuitable, SignerError
from signer.services.key_pairs import GENERATION_TIMEOUT, KeyPairMaker, KeyPairSelector
from signer.services.lifecycle import Certify
from signer.services.ports import Clock, KeyStore, TokenAccess
from signer.services.signing import MessageSigner, SigningKey, pinned

ACTOR = "artifact-signer doctor"
# A worker may wait for the token that makes the pair, and then for each token that is asked whether it has it.
DEFAULT_PENDING_AGE = timedelta(seconds=2 * GENERATION_TIMEOUT)
FIRST_VERSION = 1
NEVER_MADE = "pair-not-in-token"
UNFIT = "pair-not-as-requested"


class Ending(StrEnum):
    """How a discrepancy was ended."""

    COMPLETED_ACTIVE = "completed-active"
    COMPLETED_NEXT = "completed-next"
    ABANDONED = "abandoned"
    DESTROYED = "destroyed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A discrepancy and what became of it.

    ``ending``, or the ``refusal`` that left it as it was; neither: it is not to be repaired.
    """

    discrepancy: Discrepancy
    ending: Ending | None = None
    refusal: SignerError | TokenError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found. ``unreachable``: why each token that could not be read did not answer."""

    key_pairs: HeldKeyPairs
    keys: tuple[Key, ...]
    discrepancies: tuple[Discrepancy, ...]
    unreachable: dict[str, TokenError]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What other services do, and a repair makes use of."""

    pairs: KeyPairMaker
    signer: MessageSigner
    finish_destruction: Callable[[str, Key, int], object]
    quarantine: Callable[[Key, KeyVersion], None]
    certify: Certify


class ReconciliationService:
    """Compares records and tokens, and ends what may be ended."""

    def __init__(
        self,
        *,
        store: KeyStore,
        tokens: TokenAccess,
        token_names: tuple[str, ...],
        steps: Steps,
        clock: Clock,
        timeout: float,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._token_names = token_names
        self._steps = steps
        self._clock = clock
        self._timeout = timeout

    def survey(self, *, pending_age: timedelta = DEFAULT_PENDING_AGE) -> Survey:
        """Look, change nothing. ``pending_age``: the age below which a pending version may be under way."""
        held, unreachable = {}, {}
        for token in self._token_names:
            try:
                held[token] = self._tokens.find_keys(token, timeout=self._timeout)
            except TokenError as error:
                unreachable[token] = error
        # After the tokens: a record is always older than its pair, so what is being made meanwhile is on record here.
        keys = self._store.all_keys()
        discrepancies = compare(keys, held, now=self._clock(), pending_age=pending_age)
        return Survey(key_pairs=held, keys=keys, discrepancies=discrepancies, unreachable=unreachable)

    def repair(self, discrepancy: Discrepancy, *, pending_age: timedelta = DEFAULT_PENDING_AGE) -> Repair:
        """End one discrepancy, after looking at it once more."""
        if discrepancy.key is None or discrepancy.version is None:
            return Repair(discrepancy=discrepancy)
        try:
            # Read anew: a worker may have ended it between the survey and now. The store's compare-and-swap decides
            # between the two if that happens after this line.
            key = self._store.key(discrepancy.key)
            version = key.version(discrepancy.version)
            return Repair(discrepancy=discrepancy, ending=self._end(discrepancy, key, version, pending_age))
        except (SignerError, TokenError) as error:
            return Repair(discrepancy=discrepancy, refusal=error)

    def _end(self, discrepancy: Discrepancy, key: Key, version: KeyVersion, pending_age: timedelta) -> Ending | None:
        if version.state is VersionState.PENDING:
            return self._end_pending(key, version, pending_age)
        if version.state is VersionState.DESTROYING:
            return self._end_destruction(key, version)
        if discrepancy.kind is DiscrepancyKind.DIFFERENT and discrepancy.token is not None:
            return self._end_trust(discrepancy.token, key, version)
        return None

    def _end_trust(self, token: str, key: Key, version: KeyVersion) -> Ending | None:
        """Quarantine a version in whose place the token holds another pair, or several."""
        if (version.state, Step.QUARANTINE) not in TRANSITIONS:
            return None
        try:
            self._tokens.has_key(token, pinned(key, version), timeout=self._timeout)
        except (KeyAmbiguous, KeyMismatch):
            self._steps.quarantine(key, version)
            return Ending.QUARANTINED
        return None

    def _end_pending(self, key: Key, version: KeyVersion, pending_age: timedelta) -> Ending | None:
        held = {
            token: self._tokens.find_keys(token, timeout=self._timeout)
            for token in tokens_of(version)
            if token in self._token_names
        }
        now = pending(key, version, held, now=self._clock(), pending_age=pending_age)
        if now.kind in (DiscrepancyKind.PENDING_ABSENT, DiscrepancyKind.PENDING_UNFIT):
            if version.origin is Origin.IMPORTED:
                self._remove_leftovers(version, held)
            reason = NEVER_MADE if now.kind is DiscrepancyKind.PENDING_ABSENT else UNFIT
            self._steps.pairs.abandon(key, version, ACTOR, reason=reason)
            return Ending.ABANDONED
        if now.kind is not DiscrepancyKind.PENDING_MADE or now.token is None:
            return None
        first = version.number == FIRST_VERSION
        if version.origin is Origin.ADOPTED:
            ending = self._readopt(key, version, first=first)
        else:
            ending = self._complete(key, version, now.token, first=first)
        if ending is not Ending.ABANDONED:
            # One that cannot be had now is told with the certificates.
            self._steps.certify(ACTOR, key.name, version.number)
        return ending

    def _complete(self, key: Key, version: KeyVersion, token: str, *, first: bool) -> Ending:
        found = self._tokens.find_key(token, key_id=version.cka_id, timeout=self._timeout)
        if found.spki is None:
            raise PairNotSuitable(reason="the token does not show its public half")
        pin = PinnedKey(key_id=version.cka_id, algorithm=key.algorithm, spki=found.spki)
        try:
            self._steps.signer.sign_bytes(
                SigningKey(pin=pin, purpose=key.purpose, tokens=(token,)), SelfCheck.COMPLETION
            )
        except (KeyHalvesDiffer, KeyMismatch, SignatureMismatch):
            self._steps.pairs.abandon(key, version, ACTOR, reason=UNFIT)
            return Ending.ABANDONED
        made = EventType.KEY_IMPORTED if version.origin is Origin.IMPORTED else EventType.KEY_CREATED
        done = made if first else EventType.VERSION_PREPARED
        self._steps.pairs.pin(key, version, found.spki, ACTOR, done, activate=first)
        return Ending.COMPLETED_ACTIVE if first else Ending.COMPLETED_NEXT

    def _readopt(self, key: Key, version: KeyVersion, *, first: bool) -> Ending:
        """An adoption begins anew, with all its checks: nobody knows how far it came."""
        done = EventType.KEY_ADOPTED if first else EventType.VERSION_PREPARED
        selector = KeyPairSelector(cka_id=version.cka_id)
        try:
            self._steps.pairs.fulfil(key, version, selector, ACTOR, done, activate=first)
        except PairNotSuitable:
            return Ending.ABANDONED  # ``fulfil`` has closed the record
        return Ending.COMPLETED_ACTIVE if first else Ending.COMPLETED_NEXT

    def _remove_leftovers(self, version: KeyVersion, held: HeldKeyPairs) -> None:
        """An import puts the public half into a token first: alone it is all that was left of one."""
        for token, key_objects in held.items():
            mine = [key_object for key_object in key_objects if key_object.key_id == version.cka_id]
            if mine and not any(key_object.has_private for key_object in mine):
                self._tokens.destroy(token, version.cka_id, timeout=self._timeout)

    def _end_destruction(self, key: Key, version: KeyVersion) -> Ending:
        for token in tokens_of(version):
            if token in self._token_names:
                self._destroy_public_half(token, version)
        self._steps.finish_destruction(ACTOR, key, version.number)
        return Ending.DESTROYED

    def _destroy_public_half(self, token: str, version: KeyVersion) -> None:
        """A removal that was cut short leaves the public half, which no longer counts as the pair."""
        for key_object in self._tokens.find_keys(token, timeout=self._timeout):
            if key_object.key_id == version.cka_id and not key_object.has_private and key_object.spki == version.spki:
                self._tokens.destroy(token, version.cka_id, timeout=self._timeout)
                return
