"""The key in force and the next one, as a table of files: after a power cut between any two writes a device works.

| files beside ``key.pem`` | state | what asks for a token |
|---|---|---|
| none | steady | the key |
| ``next-key.pem`` | prepared: the service knows nothing of it | the key |
| ``next-key.pem``, ``announced`` | announced: the service may await it | the key; the next one, where that is refused |

1. The next key is on the disk before it is announced, and the mark is there before the announcement leaves.
2. The next key takes the place of the present one by one rename, and only after the service has given it a token.
3. A mark without a next key, or for another one, is what a cut after that rename leaves: it is taken away.
"""

from __future__ import annotations

from enum import StrEnum

from device.errors import KeyMissing
from device.keys import DeviceKey, KeyKind, made
from device.store import Store

KEY, NEXT_KEY, ANNOUNCED = "key.pem", "next-key.pem", "announced"


class RingState(StrEnum):
    """How far a change of the key has come."""

    EMPTY = "empty"
    STEADY = "steady"
    PREPARED = "prepared"
    ANNOUNCED = "announced"


class KeyRing:
    """The keys in a store; every verb that changes something is called alone with it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def state(self) -> RingState:
        """Raises ``KeyMissing`` where there is a next key and no present one: nothing here leaves that."""
        if self._store.read(KEY) is None:
            if self._store.read(NEXT_KEY) is not None:
                raise KeyMissing(name=KEY)
            return RingState.EMPTY
        following = self.following()
        if following is None:
            return RingState.STEADY
        return RingState.ANNOUNCED if self._mark() == following.fingerprint else RingState.PREPARED

    def bootstrap(self, kind: KeyKind) -> bool:
        """Make the key where there is none; whether one was made. Raises ``KeyMissing`` as ``state`` does."""
        if self._store.read(KEY) is not None or self.state() is not RingState.EMPTY:
            return False
        self._store.create(KEY, made(kind))
        return True

    def present(self) -> DeviceKey:
        """The key in force; raises ``KeyMissing`` or ``KeyUnreadable``."""
        content = self._store.read(KEY)
        if content is None:
            raise KeyMissing(name=KEY)
        return DeviceKey.of_pem(KEY, content)

    def following(self) -> DeviceKey | None:
        """The next key, where there is one; raises ``KeyUnreadable``."""
        content = self._store.read(NEXT_KEY)
        return None if content is None else DeviceKey.of_pem(NEXT_KEY, content)

    def prepare(self, kind: KeyKind) -> DeviceKey:
        """The next key, made where there is none."""
        self.settle()
        following = self.following()
        if following is None:
            self._store.create(NEXT_KEY, made(kind))
            following = self.following()
        if following is None:
            raise KeyMissing(name=NEXT_KEY)
        return following

    def announce(self, following: DeviceKey) -> None:
        """Write down that the service may hear of the next key from now on."""
        self._store.replace(ANNOUNCED, following.fingerprint.encode("ascii"))

    def promote(self) -> None:
        """Put the next key in force: the service has given it a token."""
        self._store.rename(NEXT_KEY, KEY)
        self._store.remove(ANNOUNCED)

    def give_up(self) -> None:
        """Forget the next key: the service will never have it."""
        # In this order: a next key that was announced is never one that seems not to be.
        self._store.remove(NEXT_KEY)
        self._store.remove(ANNOUNCED)

    def settle(self) -> None:
        """Take away what a power cut left."""
        if self._mark() is not None and self.state() in (RingState.STEADY, RingState.PREPARED):
            self._store.remove(ANNOUNCED)

    def _mark(self) -> str | None:
        content = self._store.read(ANNOUNCED)
        return None if content is None else content.decode("ascii", "replace")
