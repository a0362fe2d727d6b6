"""What a device does with its key and its token: one verb for each, each with one total deadline.

Verbs that change something work alone with the state; others see files that are whole. Safe for threads and processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from device.asking import UNAUTHORIZED, Asking, Pace, World
from device.errors import TokenRefused
from device.http import Response
from device.key_ring import KeyRing, RingState
from device.keys import DeviceKey, KeyKind
from device.renewal import Renewal, Renewed
from device.requests import Identity, Request
from device.rotation import Rotated, Rotation
from device.store import Store
from device.tokens import Token, kept_token
from device.transport import Transport

REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrapped:
    """``fingerprint``: SHA-256 of the public key; ``made``: whether the key was made now."""

    fingerprint: str
    algorithm: str
    public_pem: str
    made: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """What there is on the device, without asking anybody. ``expires_at``: of the token; None: there is none."""

    ring: RingState
    fingerprint: str | None
    algorithm: str | None
    next_fingerprint: str | None
    has_token: bool
    expires_at: float | None


class DeviceClient:
    """One device. ``identity``: what it says of itself; ``deadline``: seconds for each verb, waiting included."""

    def __init__(
        self,
        *,
        store: Store,
        transport: Transport,
        identity: Identity,
        kind: KeyKind = KeyKind.P256,
        deadline: float = 60.0,
        pace: Pace | None = None,
        world: World | None = None,
    ) -> None:
        self._store = store
        self._kind = kind
        self._deadline = deadline
        self._pace = pace or Pace()
        self._world = world or World()
        self._transport = transport
        self._ring = KeyRing(store)
        self._asking = Asking(
            store=store,
            ring=self._ring,
            transport=transport,
            identity=identity,
            pace=self._pace,
            world=self._world,
        )
        self._renewal = Renewal(store=store, asking=self._asking)
        self._rotation = Rotation(
            store=store,
            ring=self._ring,
            asking=self._asking,
            identity=identity,
            world=self._world,
            margin=self._pace.margin,
            require_shown=transport.require_shown,
            renewal=self._renewal,
        )

    def bootstrap(self) -> Bootstrapped:
        """Make the key at the first start; never another one. Raises what the state may."""
        with self._store.locked(self._until()):
            made = self._ring.bootstrap(self._kind)
            key = self._ring.present()
        return Bootstrapped(fingerprint=key.fingerprint, algorithm=key.algorithm, public_pem=key.public_pem, made=made)

    def authenticate(self) -> Token:
        """A new token; makes the key where there is none. Raises ``NotAccepted``, or what a request may."""
        until = self._until()
        with self._store.locked(until):
            self._ring.bootstrap(self._kind)
            return self._asking.authenticate(until)

    def token(self) -> Token:
        """The token that there is, or a new one where it has ended or is about to."""
        token = self._kept()
        return self.renew(None) if token is None else token

    def renew(self, refused: Token | None) -> Token:
        """A token other than the one that was refused: the one that somebody else has got meanwhile, or a new one."""
        until = self._until()
        with self._store.locked(until):
            token = self._kept()
            if token is not None and (refused is None or token.text != refused.text):
                return token
            self._ring.bootstrap(self._kind)
            return self._asking.authenticate(until)

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """Ask the server something with the token, which is renewed once where the answer is 401.

        Methods that may be repeated (RFC 9110, section 9.2.2) are sent again after failures on the way. Raises
        ``TokenRefused`` where the new token is refused as well, or what a request may raise. Other statuses are the
        caller's.
        """
        token, until = self.token(), self._until()
        answer = self._shown(method, path, body, headers or {}, token, until)
        if answer.status != UNAUTHORIZED:
            return answer
        answer = self._shown(method, path, body, headers or {}, self.renew(token), until)
        if answer.status == UNAUTHORIZED:
            raise TokenRefused
        return answer

    def rotate_key(self) -> Rotated:
        """Change the device's key, or end a change that was broken off; see ``Rotation.rotate``."""
        until = self._until()
        with self._store.locked(until):
            return self._rotation.rotate(self._kind, until)

    def renew_certificate(self) -> Renewed:
        """The next certificate for the device's key, by the one that it shows now.

        Raises ``ClientCertificateRefused`` where it shows none, ``RequestRefused``, or what a request may.
        """
        until = self._until()
        with self._store.locked(until):
            key = self._ring.present()
            self._transport.require_shown(key)
            token = self._kept() or self._asking.authenticate(until)
            # The key may be the next one by now, which has a certificate of its own.
            key = self._ring.present()
            try:
                return self._renewal.renew(key, shown=key, token=token, until=until)
            except TokenRefused:
                token = self._asking.authenticate(until)
            key = self._ring.present()
            return self._renewal.renew(key, shown=key, token=token, until=until)

    def key(self) -> DeviceKey:
        """The key in force; raises ``KeyMissing`` or ``KeyUnreadable``."""
        return self._ring.present()

    def status(self) -> KeyStatus:
        """What there is; raises what the state may."""
        state = self._ring.state()
        following = None if state in (RingState.EMPTY, RingState.STEADY) else self._ring.following()
        present = None if state is RingState.EMPTY else self._ring.present()
        token = kept_token(self._store)
        return KeyStatus(
            ring=state,
            fingerprint=None if present is None else present.fingerprint,
            algorithm=None if present is None else present.algorithm,
            next_fingerprint=None if following is None else following.fingerprint,
            has_token=token is not None,
            expires_at=None if token is None else token.expires_at,
        )

    def _until(self) -> float:
        return self._world.monotonic() + self._deadline

    def _kept(self) -> Token | None:
        token = kept_token(self._store)
        return token if token is not None and token.holds_at(self._world.now(), margin=self._pace.margin) else None

    def _shown(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], token: Token, until: float
    ) -> Response:
        fields = {**headers, "Authorization": f"Bearer {token.text}"}
        request = Request(method=method, path=path, headers=fields, body=body)
        ask = self._asking.repeated if method in REPEATABLE else self._asking.once
        return ask(lambda: request, self._ring.present(), until)
