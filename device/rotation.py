"""A device changes its own key. The present one stays in force until the service has given the next one a token.

Broken off anywhere, the same call goes on where it was; ``key_ring`` has the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device.asking import OK, UNAUTHORIZED, Asking, World, refusal_of
from device.errors import ClientCertificateRefused, NotAccepted, RotationRefused, RotationUnconfirmed, TokenRefused
from device.http import Response
from device.key_ring import KeyRing, RingState
from device.keys import DeviceKey, KeyKind
from device.renewal import Renewal
from device.requests import Identity, KeyPair, key_change
from device.store import Store
from device.tokens import Token, keep_token, kept_token

# Codes of the service by which the next key will never be accepted.
FINAL = frozenset({"device-key-taken", "device-keys-exhausted", "device-key-invalid"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """``fingerprint``: of the key that is in force now. ``resumed``: a change that was begun before was ended."""

    fingerprint: str
    resumed: bool


class Rotation:
    """The change of one device's key; called alone with its store.

    ``require_shown``: called with the next key before it is announced; raises where servers would not hear it.
    """

    def __init__(
        self,
        *,
        store: Store,
        ring: KeyRing,
        asking: Asking,
        identity: Identity,
        world: World,
        margin: float,
        require_shown: Callable[[DeviceKey], None],
        renewal: Renewal,
    ) -> None:
        self._store = store
        self._ring = ring
        self._asking = asking
        self._identity = identity
        self._world = world
        self._margin = margin
        self._require_shown = require_shown
        self._renewal = renewal

    def rotate(self, kind: KeyKind, until: float) -> Rotated:
        """Begin a change, or end one that was begun.

        Raises ``RotationRefused``, ``RotationUnconfirmed``, ``NotAccepted``, ``TokenRefused``, or what a request may
        raise. The present key is in force after each of them.
        """
        before = self._ring.present().fingerprint
        begun = self._ring.state() in (RingState.PREPARED, RingState.ANNOUNCED)
        token = self._token(until)
        if self._ring.present().fingerprint != before:
            # The answer to the next key's first request was lost, and has now been heard.
            return self._ended(resumed=True)
        keys = KeyPair(present=self._ring.present(), following=self._ring.prepare(kind))
        self._certify(keys, token, until)
        self._ring.announce(keys.following)
        answer = self._announced(keys, token, until)
        if answer.status == UNAUTHORIZED:
            token = self._asking.authenticate(until)
            if self._ring.present().fingerprint != before:
                return self._ended(resumed=begun)
            answer = self._announced(keys, token, until)
        self._require_awaited(answer, keys.following)
        self._take(keys.following, until)
        return self._ended(resumed=begun)

    def _token(self, until: float) -> Token:
        token = kept_token(self._store)
        if token is not None and token.holds_at(self._world.now(), margin=self._margin):
            return token
        return self._asking.authenticate(until)

    def _certify(self, keys: KeyPair, token: Token, until: float) -> None:
        """Have a certificate for the next key, where servers ask for one."""
        try:
            self._require_shown(keys.following)
        except ClientCertificateRefused:
            self._require_shown(keys.present)
            # By this the service hears of the next key.
            self._ring.announce(keys.following)
            self._renewal.renew(keys.following, shown=keys.present, token=token, until=until)
            self._require_shown(keys.following)

    def _announced(self, keys: KeyPair, token: Token, until: float) -> Response:
        return self._asking.ask(
            lambda freshness: key_change(keys, self._identity, freshness, token.text), keys.present, until
        )

    def _require_awaited(self, answer: Response, following: DeviceKey) -> None:
        if answer.status == OK:
            return
        if answer.status == UNAUTHORIZED:
            raise TokenRefused
        refused = refusal_of(answer)
        if refused.problem in FINAL:
            self._ring.give_up()
            raise RotationRefused(fingerprint=following.fingerprint, problem=refused.problem)
        raise refused

    def _take(self, following: DeviceKey, until: float) -> None:
        try:
            token = self._asking.token_of(following, until)
        except NotAccepted:
            raise RotationUnconfirmed(fingerprint=following.fingerprint) from None
        self._ring.promote()
        keep_token(self._store, token)

    def _ended(self, *, resumed: bool) -> Rotated:
        return Rotated(fingerprint=self._ring.present().fingerprint, resumed=resumed)
