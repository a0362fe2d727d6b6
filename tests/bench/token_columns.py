"""The ways to a signature that are compared: through the module, through the token's process, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from urllib.parse import urlsplit

from hsm import Algorithm, PinnedKey, TokenConfig, TokenPool

DIGEST = hashlib.sha256(b"what is signed").digest()
MESSAGE = b"what is signed" * 20
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
VERSION_LINE = "96bcd965947569404798bcbdb614f103db5a004eb6e364cfc162c146890ea35b  version\n"
ANSWER_SECONDS = 60.0

Sign = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service. ``keys``: the name of its key for each algorithm."""

    url: str
    api_token: str
    ca_file: Path
    keys: dict[Algorithm, str]


def rate(makers: list[Callable[[], Sign]], seconds: float) -> float:
    """Calls per second of several callers at once, each in a thread with its own ``makers`` entry."""
    counts = [0] * len(makers)
    gate, stop = threading.Barrier(len(makers) + 1), threading.Event()

    def work(number: int) -> None:
        sign = makers[number]()
        sign()  # what is done once for a key and a connection is not measured
        gate.wait(ANSWER_SECONDS)
        while not stop.is_set():
            sign()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(makers))]
    for thread in threads:
        thread.start()
    gate.wait(ANSWER_SECONDS)
    begun = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join(ANSWER_SECONDS)
    return sum(counts) / (time.perf_counter() - begun)


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

    def rate(self, key: PinnedKey, threads: int, seconds: float) -> float:
        """Signatures per second; each thread has a session of its own."""
        self._pipe.send((key.algorithm.value, key.key_id, threads, seconds))
        if not self._pipe.poll(ANSWER_SECONDS + seconds):
            raise TimeoutError("the module does not answer")
        found: float = self._pipe.recv()
        return found

    def close(self) -> None:
        """End its process."""
        self._pipe.close()
        self._process.kill()
        self._process.join(ANSWER_SECONDS)
        self._process.close()


def _module_worker(pipe: Pipe, module: str, label: str, environment: dict[str, str], pin_file: str) -> None:
    os.environ.update(environment)
    from pkcs11 import Attribute, Mechanism, ObjectClass

    from hsm._module import Module

    token = Module(Path(module)).library.get_token(token_label=label)
    login = token.open(user_pin=Path(pin_file).read_text().strip())
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
        pipe.send(rate([lambda: signer(algorithm, key_id)] * threads, seconds))  # noqa: B023  (used at once)
    assert login
    os._exit(0)


def through_process(pool: TokenPool, key: PinnedKey, threads: int, seconds: float) -> float:
    """Signatures per second through the token's process, each verified before it is returned."""
    if key.algorithm is Algorithm.ED25519:
        return rate([lambda: lambda: pool.sign(key, MESSAGE)] * threads, seconds)
    return rate([lambda: lambda: pool.sign_digest(key, DIGEST)] * threads, seconds)


def over_http(service: Service, algorithm: Algorithm, connections: int, seconds: float) -> float:
    """Signatures per second by requests on kept connections, each with a manifest that was never signed before."""
    with ExitStack() as stack:
        requests = [stack.enter_context(_connection(service, service.keys[algorithm])) for _ in range(connections)]
        return rate([lambda request=request: request for request in requests], seconds)


@contextmanager
def _connection(service: Service, key: str) -> Iterator[Sign]:
    """One kept TLS connection, as bare as the protocol allows: the client shares the processors with the service."""
    place = urlsplit(service.url)
    context = ssl.create_default_context(cafile=str(service.ca_file))
    host, port = place.hostname or "", place.port or 443
    plain = socket.create_connection((host, port), ANSWER_SECONDS)
    head = (
        f"POST /v1/keys/{key}/signatures HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {service.api_token}\r\n"
        "Accept: text/plain\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
    )
    with plain, context.wrap_socket(plain, server_hostname=host) as connection, connection.makefile("rb") as answers:

        def ask() -> bytes:
            name, header = os.urandom(32).hex(), os.urandom(32).hex()
            body = f"{name}  data/0000/rootfs\n{header}  header.tar.gz\n{VERSION_LINE}"
            connection.sendall((head % len(body) + body).encode())
            status, length = answers.readline(), 0
            while (line := answers.readline()) not in (b"\r\n", b""):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            content = answers.read(length)
            if b" 200 " not in status:
                raise RuntimeError((status + content).decode(errors="replace"))
            return base64.b64decode(content)

        yield ask
