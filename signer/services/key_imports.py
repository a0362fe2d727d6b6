"""Keys from outside become versions: a pair that was in a file, or a public key alone.

1. Nothing is recorded that cannot even begin: name, purpose, kind, the pair's use elsewhere and every token are looked
   at first.
2. The version is on record as pending before a token is given anything, so that a crash leaves what is named and ended
   like a creation that was interrupted.
3. A pair is a version when every token of the key holds it and made a signature that its public key verifies. Where one
   refuses, the others forget it again.
4. A public key alone is a previous version from the start: devices trust it, nothing here signs with it.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace

from hsm import KeyMaterial
from hsm.algorithms import Algorithm
from hsm.errors import DeadlineExceeded, TokenError
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.access.actions import Action
from signer.domain.events import EventType
from signer.domain.identity import Identity
from signer.domain.keys import UNBOUNDED, Key, Origin, Purpose, Validity, checked_algorithm, checked_name
from signer.domain.public_keys import algorithm_of, kind_of
from signer.errors import CreationUnfinished, KeyNotFound, PairInUse, SignerError
from signer.errors.key_files import ImportNotAllowed, KeyFileRejected
from signer.services.access import Access
from signer.services.change_guard import ChangeGuard
from signer.services.clock import RecordedClock
from signer.services.guarded_steps import Guarded, GuardedSteps, told
from signer.services.key_pairs import KeyPairMaker
from signer.services.key_steps import configured, started
from signer.services.lifecycle import CKA_ID_BYTES, Certify, StepResult
from signer.services.ports import KeyStore, NewKey, NewVersion, TokenAccess

IMPORT_TIMEOUT = 60.0
# What else signs for the service itself was never outside of a token: a log or a CA begins with a key of its own.
IMPORTED_PURPOSES = frozenset({Purpose.ARTIFACT, Purpose.USER_TOKEN, Purpose.DEVICE_TOKEN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What a person asks for. A name that a key has already means its next version.

    ``purpose`` None: the key's, or ``artifact``. ``tokens`` empty: the key's, or every configured one.
    """

    unverified_name: str
    purpose: Purpose | None = None
    tokens: tuple[str, ...] = ()
    validity: Validity = UNBOUNDED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the key goes. ``key``: the one there is; None for a new one."""

    key: Key | None
    name: str
    purpose: Purpose
    tokens: tuple[str, ...]


class KeyImports:
    """Imports. Safe for several processes: the store decides every race."""

    def __init__(
        self,
        *,
        store: KeyStore,
        tokens: TokenAccess,
        token_names: tuple[str, ...],
        pairs: KeyPairMaker,
        clock: RecordedClock,
        certify: Certify,
        access: Access,
        guard: ChangeGuard,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._token_names = token_names
        self._pairs = pairs
        self._clock = clock
        self._certify = certify
        self._access = access
        self._guarded = GuardedSteps(guard)

    def pair(self, identity: Identity, request: ImportRequest, pair: KeyMaterial) -> StepResult:
        """The pair as a version: the first of a key signs at once, a further one is the next.

        Raises ``ImportNotAllowed``, ``PairInUse``, ``CreationUnfinished``, what the steps of a creation raise, and a
        ``hsm.errors.TokenError``, after which nothing of the pair is left.
        """
        place = self._place(identity, request, pair.algorithm, pair.spki)
        cka_id = secrets.token_bytes(CKA_ID_BYTES)
        for token in place.tokens:
            self._pairs.require_answer(token, cka_id)
        new = NewVersion(
            origin=Origin.IMPORTED,
            cka_id=cka_id,
            tokens=place.tokens,
            validity=request.validity,
            home=place.tokens,
        )
        key = self._recorded(identity, place, new, pair.algorithm, pair.spki)
        number = key.versions[-1].number
        self._into_tokens(key, pair, identity.name)
        first = place.key is None
        done = EventType.KEY_IMPORTED if first else EventType.VERSION_PREPARED
        self._pairs.pin(key, key.version(number), pair.spki, identity.name, done, activate=first)
        warnings = self._certify(identity.name, place.name, number)
        return StepResult(key=self._store.key(place.name), warnings=warnings)

    def public_key(self, identity: Identity, request: ImportRequest, spki: bytes) -> StepResult:
        """A public key (DER SubjectPublicKeyInfo) as a version that only verifies. Raises as ``pair`` does."""
        algorithm = algorithm_of(spki)
        if algorithm is None:
            raise KeyFileRejected(reason=f"it is {kind_of(spki)}, which no key here can be")
        place = self._place(identity, request, algorithm, spki)
        # Nothing will ever be under this identifier: the column is that of every version.
        cka_id = secrets.token_bytes(CKA_ID_BYTES)
        new = NewVersion(origin=Origin.PUBLIC_KEY, cka_id=cka_id, tokens=(), validity=UNBOUNDED)
        key = self._recorded(identity, place, new, algorithm, spki)
        return StepResult(key=self._pairs.pin_public(key, key.versions[-1], spki, identity.name))

    def _place(self, identity: Identity, request: ImportRequest, algorithm: Algorithm, spki: bytes) -> _Place:
        name = checked_name(request.unverified_name)
        place = self._wanted_place(identity, name, request)
        if place.purpose not in IMPORTED_PURPOSES:
            raise ImportNotAllowed(key=name, reason=f"keys for {place.purpose} are never taken from outside")
        checked_algorithm(algorithm.value, place.purpose)
        if place.key is not None and place.key.algorithm is not algorithm:
            raise ImportNotAllowed(key=name, reason=f"it is {place.key.algorithm}, and what is given is {algorithm}")
        self._clock.now()
        fingerprint = hashlib.sha256(spki).hexdigest()
        if any(version.fingerprint == fingerprint for key in self._store.all_keys() for version in key.versions):
            raise PairInUse(fingerprint=fingerprint)
        return place

    def _wanted_place(self, identity: Identity, name: str, request: ImportRequest) -> _Place:
        key = self._known(name)
        if key is None:
            self._access.require_new(identity, name)
            tokens = configured(request.tokens, self._token_names)
            return _Place(key=None, name=name, purpose=request.purpose or Purpose.ARTIFACT, tokens=tokens)
        self._access.require(identity, Action.MANAGE, name)
        if request.purpose not in (None, key.purpose):
            raise ImportNotAllowed(key=name, reason=f"it is for {key.purpose}")
        if request.tokens and set(request.tokens) != set(key.tokens):
            raise ImportNotAllowed(key=name, reason=f"its tokens are {', '.join(key.tokens)}")
        return _Place(key=key, name=name, purpose=key.purpose, tokens=key.tokens)

    def _known(self, name: str) -> Key | None:
        with suppress(KeyNotFound):
            key = self._store.key(name)
            return key if key.existing else None  # of one that was never made the name is free
        return None

    def _recorded(
        self, identity: Identity, place: _Place, version: NewVersion, algorithm: Algorithm, spki: bytes
    ) -> Key:
        """The key with its new version, pending; its event says which key it will be."""
        known, pinned = place.key, {"fingerprint": hashlib.sha256(spki).hexdigest()}
        beginning = started(identity, place.name, None if known else 1, version)
        beginning = replace(beginning, after={**beginning.after, **pinned})
        facts = {"algorithm": algorithm.value, **told(version), **pinned}
        if known is not None:
            return self._guarded.permitted(
                identity,
                (place.name, place.purpose),
                Guarded.PREPARE,
                facts,
                lambda permit: self._store.add_version(known, version, beginning, permit=permit),
            )
        new = NewKey(
            name=place.name,
            purpose=place.purpose,
            algorithm=algorithm,
            tokens=place.tokens,
            created_by=identity.name,
        )
        return self._guarded.permitted(
            identity,
            (place.name, place.purpose),
            Guarded.CREATE,
            facts,
            lambda permit: self._store.add_key(new, version, beginning, permit=permit),
        )

    def _into_tokens(self, key: Key, pair: KeyMaterial, actor: str) -> None:
        version = key.versions[-1]
        label = f"{key.name}-v{version.number}"
        for token in version.home:
            try:
                self._tokens.import_pair(pair, key_id=version.cka_id, label=label, token=token, timeout=IMPORT_TIMEOUT)
            except TokenError as error:
                # One that was only too slow may be taking the pair at this moment: its absence would prove nothing.
                if isinstance(error, DeadlineExceeded):
                    raise CreationUnfinished(key=key.name, version=version.number, token=token) from error
                self._taken_back(key, error)
                # Where the database cannot take even this, the record stays pending.
                with suppress(SignerError):
                    self._pairs.abandon(key, version, actor, reason=error.code)
                raise

    def _taken_back(self, key: Key, failure: TokenError) -> None:
        """No token holds anything of the pair; raises ``CreationUnfinished`` where one does not say so."""
        version = key.versions[-1]
        for token in version.home:
            try:
                with suppress(KeyNotInToken):
                    self._tokens.destroy(token, version.cka_id, timeout=IMPORT_TIMEOUT)
            except TokenError:
                raise CreationUnfinished(key=key.name, version=version.number, token=token) from failure
