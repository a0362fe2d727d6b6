"""The life of keys: each step is one method, one event and one row of the transition table.

What the token and the database do cannot be one transaction. So a pair is recorded as pending, with the CKA_ID it
will have, before the token is asked; and a destruction is recorded before the token forgets. A crash in between
leaves a state that ``reconciliation`` names and ends, and never a pair that signs without a record.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hsm.errors import KeyMismatch, TokenError, TokenUnavailable
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.access.actions import Action
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity
from signer.domain.keys import (
    UNBOUNDED,
    Key,
    KeyVersion,
    Origin,
    Purpose,
    Validity,
    VersionState,
    checked_algorithm,
    checked_blind_sign,
    checked_name,
)
from signer.domain.lifecycle import Step, follow
from signer.domain.messages import SelfCheck
from signer.errors import (
    ConfirmationMismatch,
    NoNextVersion,
    NotInEveryToken,
)
from signer.services.access import Access
from signer.services.change_guard import ChangeGuard
from signer.services.clock import RecordedClock
from signer.services.guarded_steps import Guarded, GuardedSteps, told
from signer.services.key_pairs import KeyPairMaker, KeyPairSelector
from signer.services.key_steps import configured, occupied, started, stepped, version_change
from signer.services.ports import KeyStore, NewKey, NewVersion, TokenAccess, VersionChange
from signer.services.signing import MessageSigner, pinned, signing_key
from signer.services.token_endings import TokenEndings

CKA_ID_BYTES = 16
# Makes the certificate of a new version (actor, key, version) and returns what went wrong as sentences.
Certify = Callable[[str, str, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeyRequest:
    """What a person asks for. ``tokens`` empty: every configured token."""

    unverified_name: str
    unverified_algorithm: str
    purpose: Purpose = Purpose.ARTIFACT
    tokens: tuple[str, ...] = ()
    validity: Validity = UNBOUNDED
    blind_sign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The key after a step, and what the person should know about it, as sentences."""

    key: Key
    warnings: tuple[str, ...] = ()


class LifecycleService:
    """The steps. Safe for threads and for several processes: the store decides every race."""

    def __init__(  # noqa: PLR0913  (all that it uses, by keyword)
        self,
        *,
        store: KeyStore,
        tokens: TokenAccess,
        token_names: tuple[str, ...],
        signer: MessageSigner,
        pairs: KeyPairMaker,
        clock: RecordedClock,
        timeout: float,
        certify: Certify,
        access: Access,
        guard: ChangeGuard,
        endings: TokenEndings,
    ) -> None:
        self._store = store
        self._endings = endings
        self._tokens = tokens
        self._token_names = token_names
        self._clock = clock
        self._timeout = timeout
        self._certify = certify
        self._access = access
        self._guarded = GuardedSteps(guard)
        self._signer = signer
        self._pairs = pairs

    # --- new keys and versions ---------------------------------------------------------------------------------

    def create(self, identity: Identity, request: NewKeyRequest) -> StepResult:
        """A key whose first version is generated in the token and signs at once."""
        return self._first_version(identity, request, selector=None)

    def adopt(self, identity: Identity, request: NewKeyRequest, selector: KeyPairSelector) -> StepResult:
        """A key whose first version is a pair that is in the token already."""
        return self._first_version(identity, request, selector=selector)

    def prepare(
        self,
        identity: Identity,
        name: str,
        *,
        validity: Validity,
        selector: KeyPairSelector | None = None,
        tokens: tuple[str, ...] = (),
    ) -> StepResult:
        """The next version, generated or adopted: published so that devices learn it, not signing yet.

        ``tokens``: where it is to live, and with it the key from the rotation on; empty: where the key lives now.
        """
        self._access.require(identity, Action.MANAGE, name)
        self._clock.now()
        key = self._store.key(name)
        version = self._new_version(configured(tokens or key.tokens, self._token_names), validity, selector)
        beginning = started(identity, name, None, version)
        facts = {"version": key.versions[-1].number + 1, **told(version, moving=bool(tokens))}
        key = self._guarded.permitted(
            identity,
            (name, key.purpose),
            Guarded.PREPARE,
            facts,
            lambda permit: self._store.add_version(key, version, beginning, permit=permit),
        )
        warnings = self._pairs.fulfil(
            key, key.versions[-1], selector, identity.name, EventType.VERSION_PREPARED, activate=False
        )
        warnings += self._certify(identity.name, name, key.versions[-1].number)
        return StepResult(key=self._store.key(name), warnings=warnings)

    def _first_version(
        self, identity: Identity, request: NewKeyRequest, *, selector: KeyPairSelector | None
    ) -> StepResult:
        name = checked_name(request.unverified_name)
        self._access.require_new(identity, name)
        algorithm = checked_algorithm(request.unverified_algorithm, request.purpose)
        blind_sign = checked_blind_sign(wanted=request.blind_sign, key=name, purpose=request.purpose)
        tokens = configured(request.tokens, self._token_names)
        self._clock.now()
        version = self._new_version(tokens, request.validity, selector)
        new = NewKey(
            name=name,
            purpose=request.purpose,
            algorithm=algorithm,
            tokens=tokens,
            created_by=identity.name,
            blind_sign=blind_sign,
        )
        # On record before the token is asked: from here on a crash leaves something that is named and can be repaired,
        # and no pair that nobody knows of.
        key = self._guarded.permitted(
            identity,
            (name, request.purpose),
            Guarded.CREATE,
            {"algorithm": algorithm.value, **told(version), **({Guarded.BLIND_SIGN.value: True} if blind_sign else {})},
            lambda permit: self._store.add_key(
                new, version, started(identity, name, 1, version, blind_sign=blind_sign), permit=permit
            ),
        )
        done = EventType.KEY_ADOPTED if selector else EventType.KEY_CREATED
        warnings = self._pairs.fulfil(key, key.versions[0], selector, identity.name, done, activate=True)
        warnings += self._certify(identity.name, name, key.versions[0].number)
        return StepResult(key=self._store.key(name), warnings=warnings)

    def _new_version(self, tokens: tuple[str, ...], validity: Validity, selector: KeyPairSelector | None) -> NewVersion:
        cka_id = secrets.token_bytes(CKA_ID_BYTES)
        if selector is not None:
            # Looked up before anything is recorded: a pair that is not there leaves no trace.
            cka_id = self._pairs.find(tokens, selector).key_id
        else:
            self._pairs.require_answer(tokens[0], cka_id)
        return NewVersion(
            origin=Origin.ADOPTED if selector else Origin.GENERATED,
            cka_id=cka_id,
            tokens=tokens[:1],
            validity=validity,
            home=tokens,
        )

    # --- steps of a version ------------------------------------------------------------------------------------

    def rotate(self, identity: Identity, name: str) -> StepResult:
        """The next version signs from now on; the one that signed verifies on."""
        self._access.require(identity, Action.MANAGE, name)
        self._clock.now()
        key = self._store.key(name)
        following, active = key.in_state(VersionState.NEXT), key.active
        if following is None:
            raise NoNextVersion(key=name)
        holders = self._require_in_every_token(key, following)
        # In this order, in one transaction: the database refuses a second active version even for a moment.
        changes = [version_change(key, active, Step.SUPERSEDE)] if active else []
        changes.append(version_change(key, following, Step.ROTATE, fields={"tokens": list(holders)}))
        event = Event(
            type=EventType.KEY_ROTATED,
            actor=identity.name,
            key=name,
            version=following.number,
            before={"active": active.number if active else None},
            after={"active": following.number},
        )
        facts = {"version": following.number, "fingerprint": following.fingerprint}
        return StepResult(
            key=self._guarded.permitted(
                identity,
                (name, key.purpose),
                Guarded.ROTATE,
                facts,
                lambda permit: self._store.change(key, changes, [event], permit=permit),
            )
        )

    def retire(self, identity: Identity, name: str, number: int, *, force: str | None = None) -> StepResult:
        """Devices need not trust the version any more; it is published no longer, and its tokens are refused.

        ``force``: why tokens end that still hold. Raises ``TokensStillValid`` where there are such and no reason.
        """
        return self._step(
            identity,
            name,
            number,
            Step.RETIRE,
            EventType.VERSION_RETIRED,
            facts=lambda key, version: self._endings.require_over(key, version, force=force),
        )

    def disable(self, identity: Identity, name: str, number: int) -> StepResult:
        """The version neither signs nor is published, until it is enabled again."""
        return self._step(identity, name, number, Step.DISABLE, EventType.VERSION_DISABLED)

    def enable(self, identity: Identity, name: str, number: int) -> StepResult:
        """Back to where it was; a version that would sign proves itself first.

        Where another version took its place in the meantime, it comes back as a previous one.
        """
        self._access.require(identity, Action.MANAGE, name)
        self._clock.now()
        key = self._store.key(name)
        version = key.version(number)
        usual = follow(version.state, Step.ENABLE, key=name, version=number)
        target = version.disabled_from or usual
        if occupied(key, version, target):
            target = VersionState.PREVIOUS
        # Whoever had the token meanwhile may have put another key there: what will sign proves itself now.
        if target in {VersionState.ACTIVE, VersionState.NEXT} or version.state is VersionState.QUARANTINED:
            self._signer.sign_bytes(signing_key(key, version), SelfCheck.ENABLING)
        change = VersionChange(
            version_id=version.id, expected=version.state, state=target, fields={"disabled_from": None}
        )
        event = stepped(EventType.VERSION_ENABLED, identity.name, name, version, target)
        facts = {"version": number, "fingerprint": version.fingerprint, "state": target.value}
        return StepResult(
            key=self._guarded.permitted(
                identity,
                (name, key.purpose),
                Guarded.ENABLE,
                facts,
                lambda permit: self._store.change(key, [change], [event], permit=permit),
            )
        )

    def destroy(
        self, identity: Identity, name: str, number: int, *, confirmation: str, force: str | None = None
    ) -> StepResult:
        """Remove the pair from every token, for ever. ``confirmation`` is the key's name again; ``force`` as above.

        May be repeated where a token did not answer: the version stays ``destroying`` until all have.
        """
        self._access.require(identity, Action.MANAGE, name)
        self._clock.now()
        key = self._store.key(name)
        version = key.version(number)
        state = follow(version.state, Step.DESTROY, key=name, version=number)
        if confirmation != name:
            raise ConfirmationMismatch(key=name)
        # Recorded first: from here on nothing signs with it or publishes it, whatever becomes of the tokens.
        if version.state is not state:
            facts = self._endings.require_over(key, version, force=force)
            event = stepped(EventType.DESTRUCTION_STARTED, identity.name, name, version, state, facts)
            key = self._store.change(key, [version_change(key, version, Step.DESTROY)], [event])
        return self.finish_destruction(identity.name, key, number)

    def finish_destruction(self, actor: str, key: Key, number: int) -> StepResult:
        """The second half of ``destroy``: the tokens forget, then the record says so."""
        version = key.version(number)
        warnings = []
        for token in dict.fromkeys([*version.tokens, *version.home]):
            if token in self._token_names:
                self._forget_pair(token, key, version)
            else:
                warnings.append(f"token {token} is not configured any more: the pair was not removed from it")
        # When every token has forgotten: one that does not answer raises above and leaves ``destroying``.
        change = version_change(key, version, Step.FINISH_DESTRUCTION, fields={"tokens": []})
        event = stepped(EventType.VERSION_DESTROYED, actor, key.name, version, VersionState.DESTROYED)
        return StepResult(key=self._store.change(key, [change], [event]), warnings=tuple(warnings))

    def _step(
        self,
        identity: Identity,
        name: str,
        number: int,
        step: Step,
        done: EventType,
        *,
        facts: Callable[[Key, KeyVersion], Mapping[str, object]] = lambda _key, _version: {},
    ) -> StepResult:
        self._access.require(identity, Action.MANAGE, name)
        if step is not Step.DISABLE:
            # Whatever the clock says, a key can be switched off at once.
            self._clock.now()
        key = self._store.key(name)
        version = key.version(number)
        fields = {}
        if step is Step.DISABLE:
            # A quarantined version goes back to where it was before; the check of ``enable`` stands in between.
            quarantined = version.state is VersionState.QUARANTINED
            fields["disabled_from"] = (version.disabled_from if quarantined else version.state) or version.state
        change = version_change(key, version, step, fields=fields)
        event = stepped(done, identity.name, name, version, change.state, facts(key, version))
        return StepResult(key=self._store.change(key, [change], [event]))

    def _forget_pair(self, token: str, key: Key, version: KeyVersion) -> None:
        try:
            held = self._tokens.has_key(token, pinned(key, version), timeout=self._timeout)
        except KeyMismatch:
            return  # another pair under the same CKA_ID: not ours to destroy
        if held is None:
            raise TokenUnavailable(token=token, reason="cannot be asked to forget the pair")
        if held:
            with suppress(KeyNotInToken):  # gone meanwhile, which is what was wanted
                self._tokens.destroy(token, version.cka_id, timeout=self._timeout)

    # --- checks ------------------------------------------------------------------------------------------------

    def _require_in_every_token(self, key: Key, version: KeyVersion) -> tuple[str, ...]:
        missing: list[str] = []
        unreachable: list[str] = []
        for token in version.home:
            try:
                held = self._tokens.has_key(token, pinned(key, version), timeout=self._timeout)
            except KeyMismatch:
                held = False
            except TokenError:
                held = None
            if held is None:
                unreachable.append(token)
            elif not held:
                missing.append(token)
        if missing or unreachable:
            raise NotInEveryToken(
                key=key.name,
                version=version.number,
                missing=tuple(missing),
                unreachable=tuple(unreachable),
            )
        return version.home
