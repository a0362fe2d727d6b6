"""A device over a service in memory that decides by the rules of the real one, and answers as badly as is wanted."""

from __future__ import annotations

import json
import random
import uuid
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from device.asking import Pace, World
from device.backoff import Backoff
from device.client import DeviceClient
from device.errors import AlreadyThere, ServiceUnreachable, StateUnusable
from device.http import Response
from device.keys import DeviceKey, KeyKind
from device.requests import KEY, Request
from device.store import Store
from device.transport import Transport
from signer.domain.auth_requests import AuthRequest, Freshness, fresh_after, read_auth_request, read_key_change
from signer.domain.device_changes import Plan, arrived, decided, new_device, pending_set, planned, with_pending
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import AuthSet, AuthStatus, Device
from signer.errors import DeviceKeyTaken, DeviceRefusal, DeviceRefused

IDENTITY = {"serial": "SN-0042", "mac": "02:00:00:00:00:01"}
BEGUN = 1_800_000_000.0
LOST_REQUEST, LOST_ANSWER = "the request is lost", "the answer is lost"
WEEK = timedelta(days=7)


@dataclass
class Time:
    """A clock that waiting moves."""

    now: float = BEGUN
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def world(self) -> World:
        # The two clocks run alike, which no code may count on: begun at different moments.
        return World(
            now=lambda: self.now,
            monotonic=lambda: self.now - BEGUN,
            wait=self.wait,
            choose=random.Random(1),
        )


@dataclass
class MemoryStore:
    """``device.store.Store`` in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def create(self, name: str, content: bytes) -> None:
        if name in self.files:
            raise AlreadyThere(name=name)
        self.files[name] = content

    def replace(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def rename(self, source: str, target: str) -> None:
        if source not in self.files:
            raise StateUnusable(name=source, reason="No such file or directory")
        self.files[target] = self.files.pop(source)

    def remove(self, name: str) -> None:
        self.files.pop(name, None)

    @contextmanager
    def locked(self, until: float) -> Iterator[None]:
        yield


@dataclass
class MemoryService:
    """``device.transport.Transport``. ``faults``: one for each request to come; None, a status, or a loss."""

    time: Time
    device: Device | None = None
    accepts: bool = True
    tokens: dict[str, str] = field(default_factory=dict)
    faults: deque[object] = field(default_factory=deque)
    retry_after: int | None = None
    seen: list[Request] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    lifetime: float = 604_800.0

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time.now, UTC)

    def require_room(self) -> None:
        """As ``Around``."""

    def was_key_of(self, identity: DeviceIdentity, key: DevicePublicKey) -> bool:
        found = self.device.with_key(key) if self.device is not None else None
        return found is not None and found.status is AuthStatus.REJECTED

    def require_shown(self, key: DeviceKey) -> None:
        """No certificate is asked for."""

    def exchange(self, request: Request, *, key: DeviceKey, until: float) -> Response:
        fault = self.faults.popleft() if self.faults else None
        if fault == LOST_REQUEST:
            raise ServiceUnreachable(host="service", reason="lost")
        answer = self._failed(fault) if isinstance(fault, int) else self._answer(request)
        self.seen.append(request)
        self.statuses.append(answer.status)
        if fault == LOST_ANSWER:
            raise ServiceUnreachable(host="service", reason="lost")
        return answer

    def statuses_of_sets(self) -> list[str]:
        assert self.device is not None
        return [each.status.value for each in self.device.sets]

    def decide(self, key: DeviceKey, status: str) -> None:
        """As a person."""
        assert self.device is not None
        auth_set = self.device.with_key(DevicePublicKey.of_pem(key.public_pem))
        assert auth_set is not None
        self.device = decided(self.device, auth_set.id, status, self, actor="somebody").device
        self._revoke()

    def _failed(self, status: int) -> Response:
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        return Response(status=status, headers=headers, body=b"")

    def _answer(self, request: Request) -> Response:
        try:
            if request.path == KEY:
                return self._change(request)
            if "X-MEN-Signature" in request.headers:
                return self._authenticate(request)
            token = request.headers["Authorization"].removeprefix("Bearer ")
            return _response(200 if token in self.tokens else 401)
        except DeviceRefused:
            return _response(401)
        except DeviceKeyTaken:
            return _response(409, json.dumps({"code": "device-key-taken"}).encode())

    def _authenticate(self, request: Request) -> Response:
        proved = read_auth_request(request.body).verified(request.headers["X-MEN-Signature"])
        device, auth_set = self._known(proved)
        reason = device.refusal_of(auth_set, self.now)
        if reason is not None:
            raise DeviceRefused(reason=reason)
        device, auth_set = self._noted(device, auth_set, proved.freshness)
        self.device = arrived(device, auth_set.id, self).device
        self._revoke()
        text = self._token()
        self.tokens[text] = auth_set.id
        return _response(200, text.encode())

    def _known(self, proved: AuthRequest) -> tuple[Device, AuthSet]:
        if self.device is None:
            made = pending_set(proved.key, now=self.now, valid_until=self.now + WEEK)
            made = replace(made, status=AuthStatus.ACCEPTED, valid_until=None) if self.accepts else made
            self.device = new_device(proved.identity, made, self.now)
        found = self.device.with_key(proved.key)
        if found is None:
            until = self.now + WEEK
            self.device, found = with_pending(self.device, proved.key, now=self.now, valid_until=until, most=9)
        return self.device, found

    def _noted(self, device: Device, auth_set: AuthSet, freshness: Freshness | None) -> tuple[Device, AuthSet]:
        noted = replace(auth_set, last_fresh=fresh_after(auth_set.last_fresh, freshness, now=self.now))
        kept = tuple(noted if each.id == noted.id else each for each in device.sets)
        self.device = replace(device, sets=kept)
        return self.device, noted

    def _change(self, request: Request) -> Response:
        headers = request.headers
        change = read_key_change(request.body).verified(headers["X-MEN-Signature"], headers["X-MEN-Next-Signature"])
        present = self.device.with_key(change.key) if self.device is not None else None
        shown = self.tokens.get(headers["Authorization"].removeprefix("Bearer "))
        if self.device is None or present is None or present.status is not AuthStatus.ACCEPTED or shown != present.id:
            raise DeviceRefused(reason=DeviceRefusal.TOKEN)
        self._noted(self.device, present, change.freshness)
        plan = Plan(key=change.next_key, awaited_for=WEEK)
        self.device = planned(self.device, present.id, plan, self, actor="device").device
        return _response(200, b"{}")

    def _revoke(self) -> None:
        """Leaving ``accepted`` ends the tokens of a set."""
        accepted = self.device.accepted.id if self.device is not None and self.device.accepted is not None else None
        self.tokens = {text: auth_set for text, auth_set in self.tokens.items() if auth_set == accepted}

    def _token(self) -> str:
        claims = json.dumps({"jti": str(uuid.uuid4()), "exp": self.time.now + self.lifetime}).encode()
        return f"e30.{urlsafe_b64encode(claims).decode().rstrip('=')}.AAAA"


def _response(status: int, body: bytes = b"") -> Response:
    return Response(status=status, headers={}, body=body)


def a_device(store: Store, transport: Transport, time: Time, *, deadline: float = 60.0) -> DeviceClient:
    """A device that loses no time: it waits a second at most, unless it is told to."""
    return DeviceClient(
        store=store,
        transport=transport,
        identity=IDENTITY,
        kind=KeyKind.P256,
        deadline=deadline,
        pace=Pace(backoff=Backoff(first=1.0, most=8.0)),
        world=time.world(),
    )
