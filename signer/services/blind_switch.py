"""Whether a key signs digests: switched by whoever manages it, on only when what guards the key permits it."""

from __future__ import annotations

from signer.domain.access.actions import Action
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity
from signer.domain.keys import Key, checked_blind_sign
from signer.services.access import Access
from signer.services.change_guard import ChangeGuard
from signer.services.clock import RecordedClock
from signer.services.guarded_steps import Guarded, GuardedSteps
from signer.services.ports import KeyStore


class BlindSwitch:
    """Safe for threads and for several processes: the store decides every race."""

    def __init__(self, *, store: KeyStore, clock: RecordedClock, access: Access, guard: ChangeGuard) -> None:
        self._store = store
        self._clock = clock
        self._access = access
        self._guarded = GuardedSteps(guard)

    def turn(self, identity: Identity, name: str, *, allowed: bool) -> Key:
        """Switch it; where it is so already, nothing is done.

        Raises ``BlindSignNotForPurpose``, ``StateChanged``, and what ``ApprovalDesk.given`` raises: for switching on
        alone, since whatever takes away needs nobody, and no right clock either.
        """
        self._access.require(identity, Action.MANAGE, name)
        if allowed:
            self._clock.now()
        key = self._store.key(name)
        checked_blind_sign(wanted=allowed, key=name, purpose=key.purpose)
        if key.blind_sign is allowed:
            return key
        event = Event(
            type=EventType.KEY_BLIND_SIGN_CHANGED,
            actor=identity.name,
            key=name,
            version=None,
            before={"blind_sign": key.blind_sign},
            after={"blind_sign": allowed},
        )
        if not allowed:
            return self._store.set_blind_sign(key, event, allowed=False)
        return self._guarded.permitted(
            identity,
            (name, key.purpose),
            Guarded.BLIND_SIGN,
            {},
            lambda permit: self._store.set_blind_sign(key, event, allowed=True, permit=permit),
        )
