"""A share of a simulated fleet in a process of its own: devices in memory, each by the package ``device`` itself.

The process has one task at a time, from a pipe, and does it for all of its devices, so many at once as it has threads.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from device.asking import Pace
from device.backoff import Backoff
from device.bundle import TrustedServers
from device.client import DeviceClient
from device.errors import DeviceError, NotAccepted
from device.http import Response, ServerAddress
from device.keys import DeviceKey
from device.requests import Request
from device.tokens import Token, kept_token
from device.transport import HttpsTransport, ServerTrust
from tests.device.scene import MemoryStore

DEVICE_DOOR = "/api/internal/v1/devauth/tokens/verify"
ASKED = {"X-Forwarded-Method": "PUT", "X-Forwarded-Uri": "/api/devices/v1/inventory/device/attributes"}
OK, UNAUTHORIZED = 200, 401
# Longer than anything that is done to the service; who needs longer is lost.
DEADLINE_SECONDS = 600.0
REASONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Devices ``first`` to ``last`` - 1, so many ``threads``, and how the service is reached."""

    first: int
    last: int
    threads: int
    address: ServerAddress
    bundle: Path
    gateway: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """What came of a task. ``asked``: by status of each answer of the service; 0: there was none."""

    devices: int
    asked: Counter[int]
    renewed: int
    longest: float
    lost: tuple[str, ...]
    told: tuple[Any, ...] = ()


@dataclass
class Tally:
    """Counts of all threads."""

    alone: threading.Lock = field(default_factory=threading.Lock)
    asked: Counter[int] = field(default_factory=Counter)
    renewed: int = 0
    longest: float = 0.0
    lost: list[str] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)

    def wave(self, devices: int) -> Wave:
        return Wave(
            devices=devices,
            asked=self.asked,
            renewed=self.renewed,
            longest=self.longest,
            lost=tuple(self.lost),
            told=tuple(self.told),
        )


class Generator:
    """The devices of a share, and what each of them can be told to do."""

    def __init__(self, share: Share, done: Synchronized[int]) -> None:
        self._share, self._done = share, done
        self._stores = {number: MemoryStore() for number in range(share.first, share.last)}
        servers = TrustedServers(file=share.bundle, store=MemoryStore(), lock=lambda: MemoryStore().locked(0.0))
        self._https = HttpsTransport(address=share.address, servers=servers, trust=ServerTrust.CHAIN)
        self._tally = Tally()
        self._local = threading.local()
        self._tasks: dict[str, Callable[[int], None]] = {
            "bootstrap": self.bootstrap,
            "introduce": self.introduce,
            "authenticate": self.authenticate,
            "verify": self.verify,
            "rotate": self.rotate,
        }

    def run(self, task: str, of: range) -> Wave:
        """The task for each device whose number modulo 100 is in ``of``."""
        self._tally = Tally()
        chosen = [number for number in self._stores if number % 100 in of]
        with ThreadPoolExecutor(self._share.threads) as pool:
            for _ in pool.map(lambda number: self._timed(self._tasks[task], number), chosen):
                pass
        return self._tally.wave(len(chosen))

    def bootstrap(self, number: int) -> None:
        """Make the key, and tell who it is of."""
        public_pem = self._client(number).bootstrap().public_pem
        with self._tally.alone:
            self._tally.told.append((identity_of(number), public_pem))

    def introduce(self, number: int) -> None:
        """Ask for the first time; nobody has decided."""
        try:
            self._client(number).authenticate()
        except NotAccepted:
            return
        raise AssertionError("a stranger got a token")

    def authenticate(self, number: int) -> None:
        """Ask for a new token."""
        self._client(number).authenticate()

    def verify(self, number: int) -> None:
        """Call something through a gateway, and mend it where the answer is 401."""
        token = kept_token(self._stores[number])
        if token is not None and self._admitted(token):
            return
        with self._tally.alone:
            self._tally.renewed += 1
        if not self._admitted(self._client(number).renew(token)):
            raise AssertionError("a token from a moment ago is refused")

    def rotate(self, number: int) -> None:
        """Change the device's key."""
        self._client(number).rotate_key()

    def exchange(self, request: Request, *, key: DeviceKey, until: float) -> Response:
        """As ``Transport``, counted."""
        status = 0
        try:
            answer = self._https.exchange(request, key=key, until=until)
            status = answer.status
            return answer
        finally:
            with self._tally.alone:
                self._tally.asked[status] += 1

    def require_shown(self, key: DeviceKey) -> None:
        """As ``Transport``."""

    def _timed(self, task: Callable[[int], None], number: int) -> None:
        begun = time.perf_counter()
        try:
            task(number)
        except (DeviceError, AssertionError, OSError, http.client.HTTPException) as error:
            with self._tally.alone:
                self._tally.lost.append(f"{number}: {type(error).__name__} {error}")
        with self._tally.alone:
            self._tally.longest = max(self._tally.longest, time.perf_counter() - begun)
        with self._done.get_lock():
            self._done.value += 1

    def _client(self, number: int) -> DeviceClient:
        return DeviceClient(
            store=self._stores[number],
            transport=self,
            identity=identity_of(number),
            deadline=DEADLINE_SECONDS,
            pace=Pace(attempt=60.0, backoff=Backoff(first=1.0, most=30.0)),
        )

    def _admitted(self, token: Token) -> bool:
        status = self._asked_gateway({**ASKED, "Authorization": f"Bearer {token.text}"})
        if status not in (OK, UNAUTHORIZED):
            raise AssertionError(f"the gateway hears {status}")
        return status == OK

    def _asked_gateway(self, headers: dict[str, str]) -> int:
        """On a connection that is kept, as a gateway does; one that has ended meanwhile is made anew."""
        for last in (False, True):
            connection = getattr(self._local, "gateway", None) or _Gateway(self._share.gateway)
            self._local.gateway = connection
            try:
                connection.request("GET", DEVICE_DOOR, headers=headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.gateway = None
                if last:
                    raise
            else:
                return int(answer.status)
        raise AssertionError


class _Gateway(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


def identity_of(number: int) -> dict[str, str]:
    """What a device says of itself."""
    return {"serial": f"FLEET-{number:07}"}


def work(pipe: Connection[Any, Any], share: Share, done: Synchronized[int]) -> None:
    """Do tasks until there are no more."""
    generator = Generator(share, done)
    while (task := pipe.recv()) is not None:
        pipe.send(generator.run(*task))
