"""The ways to a signature that are compared: through the module, through the token's process, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import multiprocessing
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

from hsm import Algorithm, AsyncSigner, PinnedKey, SignRequest, TokenConfig, TokenPool

DIGEST = hashlib.sha256(b"what is signed").digest()
MESSAGE = b"what is signed" * 20
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
VERSION_LINE = "96bcd965947569404798bcbdb614f103db5a004eb6e364cfc162c146890ea35b  version\n"
ANSWER_SECONDS = 60.0

Sign = Callable[[], object]
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Signatures per second, and processor microseconds for each: the latter other work disturbs much less."""

    rate: float
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service. ``keys``: the name of its key for each algorithm."""

    url: str
    api_token: str
    ca_file: Path
    keys: dict[Algorithm, str]


def measured(
    makers: list[Callable[[], Sign]], seconds: float, spent: Callable[[], float] = time.process_time
) -> Figure:
    """Several callers at once, each in a thread with its own ``makers`` entry. ``spent``: processor seconds so far."""
    gate, stop = threading.Barrier(len(makers) + 1), threading.Event()

    def work(make: Callable[[], Sign]) -> int:
        try:
            sign = make()
            sign()  # what is done once for a key and a connection is not measured
        except BaseException:
            gate.abort()
            raise
        gate.wait(ANSWER_SECONDS)
        count = 0
        while not stop.is_set():
            sign()
            count += 1
        return count

    with ThreadPoolExecutor(len(makers)) as callers:
        counts = [callers.submit(work, make) for make in makers]
        with suppress(threading.BrokenBarrierError):  # whoever broke it tells why below
            gate.wait(ANSWER_SECONDS)
        begun, before = time.perf_counter(), spent()
        stop.wait(seconds)
        stop.set()
        done = sum(count.result(ANSWER_SECONDS) for count in counts)
        cost = (spent() - before) / max(done, 1) * MICROSECONDS
        return Figure(rate=done / (time.perf_counter() - begun), cost=cost)


class ModuleAlone:
    """The module in a process that does nothing else: no wire, no check of the signature."""

    def __init__(self, config: TokenConfig) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (
            theirs,
            str(config.module_path),
            config.name,
            dict(config.environment),
            str(config.pin_source.file),
        )
        self._process = context.Process(target=_module_worker, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        if not self._pipe.poll(ANSWER_SECONDS):  # two that open the token at the same moment disturb each other
            raise TimeoutError("the module does not open the token")
        self._pipe.recv()

    def measured(self, key: PinnedKey, threads: int, seconds: float) -> Figure:
        """Each thread has a session of its own."""
        self._pipe.send((key.algorithm.value, key.key_id, threads, seconds))
        if not self._pipe.poll(ANSWER_SECONDS + seconds):
            raise TimeoutError("the module does not answer")
        found: Figure = self._pipe.recv()
        return found

    def close(self) -> None:
        """End its process."""
        self._pipe.close()
        self._process.kill()
        self._process.join(ANSWER_SECONDS)
        self._process.close()


def in_processes(modules: list[ModuleAlone], key: PinnedKey, seconds: float) -> Figure:
    """One thread in each process, all at the same time."""
    with ThreadPoolExecutor(len(modules)) as callers:
        found = list(callers.map(lambda module: module.measured(key, 1, seconds), modules))
    costs = [figure.cost for figure in found if figure.cost is not None]
    return Figure(rate=sum(figure.rate for figure in found), cost=sum(costs) / len(costs))


def _module_worker(pipe: Pipe, module: str, label: str, environment: dict[str, str], pin_file: str) -> None:
    os.environ.update(environment)
    from pkcs11 import Attribute, Mechanism, ObjectClass

    from hsm.worker.module import Module

    token = Module(Path(module)).library.get_token(token_label=label)
    login = token.open(user_pin=Path(pin_file).read_text().strip())
    pipe.send(None)
    mechanisms = {"ecdsa-p256": Mechanism.ECDSA, "ed25519": Mechanism.EDDSA}

    def signer(algorithm: str, key_id: bytes) -> Sign:
        session = token.open()
        selector = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}
        (key,) = session.get_objects(selector)
        mechanism = mechanisms.get(algorithm, Mechanism.RSA_PKCS)
        data = {"ecdsa-p256": DIGEST, "ed25519": MESSAGE}.get(algorithm, DIGEST_INFO + DIGEST)
        return lambda: key.sign(data, mechanism=mechanism)

    while True:
        try:
            algorithm, key_id, threads, seconds = pipe.recv()
        except EOFError:
            break
        pipe.send(measured([lambda: signer(algorithm, key_id)] * threads, seconds))  # noqa: B023  (used at once)
    assert login
    os._exit(0)


def _spent(pool: TokenPool) -> Callable[[], float]:
    """Processor seconds of both processes so far."""
    pid = pool.health()[0].pid
    ticks = os.sysconf("SC_CLK_TCK")

    def spent() -> float:
        # Fields 14 and 15: user and system time. The command in field 2 may hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / ticks

    return spent


def through_process(pool: TokenPool, key: PinnedKey, threads: int, seconds: float) -> Figure:
    """Through the token's process, each verified before it is returned; costs are those of both processes."""

    def sign() -> Sign:
        if key.algorithm is Algorithm.ED25519:
            return lambda: pool.sign(key, MESSAGE)
        return lambda: pool.sign_digest(key, DIGEST)

    return measured([sign] * threads, seconds, _spent(pool))


def many_to_a_message(pool: TokenPool, key: PinnedKey, count: int, seconds: float) -> Figure:
    """One thread that asks for so many signatures at a time, each verified as in ``through_process``."""
    requests = [SignRequest(key, MESSAGE)] * count
    spent = _spent(pool)

    def sign() -> int:
        outcomes = pool.sign_many(requests, timeout=ANSWER_SECONDS)
        assert all(isinstance(outcome, bytes) for outcome in outcomes), outcomes
        return count

    sign()  # what is done once for a key and a session is not measured
    begun, before, done = time.perf_counter(), spent(), 0
    while time.perf_counter() - begun < seconds:
        done += sign()
    return Figure(rate=done / (time.perf_counter() - begun), cost=(spent() - before) / done * MICROSECONDS)


def on_an_event_loop(pool: TokenPool, key: PinnedKey, callers: int, seconds: float, *, together: int = 1) -> Figure:
    """So many tasks of one loop that ask for so many signatures together, again and again."""
    spent = _spent(pool)
    requests = [SignRequest(key, MESSAGE)] * together

    async def ask() -> Figure:
        signer = AsyncSigner(pool)
        signer.start(asyncio.get_running_loop())
        await signer.sign_each(requests, timeout=ANSWER_SECONDS)
        begun, before = time.perf_counter(), spent()

        async def caller() -> int:
            done = 0
            while time.perf_counter() - begun < seconds:
                outcomes = await signer.sign_each(requests, timeout=ANSWER_SECONDS)
                assert all(isinstance(outcome, bytes) for outcome in outcomes), outcomes
                done += together
            return done

        done = sum(await asyncio.gather(*(caller() for _ in range(callers))))
        found = Figure(rate=done / (time.perf_counter() - begun), cost=(spent() - before) / done * MICROSECONDS)
        signer.close()
        return found

    return asyncio.run(ask())


def over_http(service: Service, algorithm: Algorithm, connections: int, seconds: float) -> Figure:
    """By requests on kept connections, each with a manifest that was never signed before."""
    clients = [_Client(service, service.keys[algorithm]) for _ in range(connections)]
    try:
        found = measured([lambda client=client: client.sign for client in clients], seconds)
    finally:
        for client in clients:
            client.close()
    return replace(found, cost=None)  # the service's own processes are not counted


class _Client:
    """One kept TLS connection, as bare as the protocol allows: the client shares the processors with the service."""

    def __init__(self, service: Service, key: str) -> None:
        place = urlsplit(service.url)
        self._place = (place.hostname or "", place.port or 443)
        self._context = ssl.create_default_context(cafile=str(service.ca_file))
        self._head = (
            f"POST /v1/keys/{key}/signatures HTTP/1.1\r\nHost: {place.netloc}\r\n"
            f"Authorization: Bearer {service.api_token}\r\nAccept: text/plain\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
        )
        self._connect()

    def sign(self) -> bytes:
        """One signature; a connection that the server gave up meanwhile is made anew, once."""
        name, header = os.urandom(32).hex(), os.urandom(32).hex()
        body = f"{name}  data/0000/rootfs\n{header}  header.tar.gz\n{VERSION_LINE}"
        request = (self._head % len(body) + body).encode()
        try:
            return self._exchange(request)
        except OSError:
            self.close()
            self._connect()
            return self._exchange(request)

    def close(self) -> None:
        """Close the connection."""
        self._answers.close()
        self._connection.close()

    def _connect(self) -> None:
        plain = socket.create_connection(self._place, ANSWER_SECONDS)
        self._connection = self._context.wrap_socket(plain, server_hostname=self._place[0])
        self._answers = self._connection.makefile("rb")

    def _exchange(self, request: bytes) -> bytes:
        self._connection.sendall(request)
        status, length = self._answers.readline(), 0
        if not status:
            raise ConnectionResetError
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        content = self._answers.read(length)
        if b" 200 " not in status:
            raise RuntimeError((status + content).decode(errors="replace"))
        return base64.b64decode(content)
