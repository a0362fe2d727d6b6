"""What operators do while requests come in, and what clients do in the midst of theirs: nobody else's is lost."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.artifacts import ArtifactBuilder, PayloadFile
from tests.integration.running import (
    POLL_SECONDS,
    START_SECONDS,
    Installation,
    Pair,
    initialise,
    running,
    start,
    stop,
    wait_until,
)
from tests.integration.test_front import MANIFEST, connections_of, served_certificate
from tests.integration.test_processes import workers_of
from tests.support.certificates import self_signed
from tests.support.rows import slow_but

CLIENTS = 8
RENEWALS = 3
ENOUGH = 40
SIGNED = "signed"
PATH = "/v1/keys/p256/signatures"
# Whoever stays resets the connection when he leaves.
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return initialise(tmp_path / "installation")


@dataclass(slots=True)
class Load:
    """Clients that ask for signatures until they are stopped, on kept-alive connections or a new one each time."""

    installation: Installation
    kept_alive: bool
    pause: float = 0.0
    received: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def client(self) -> None:
        """One client, which does not look at the certificate: it changes."""
        headers = {"Authorization": f"Bearer {self.installation.api_token}"}
        if not self.kept_alive:
            headers["Connection"] = "close"
        while not self.stopped.is_set():
            http = httpx.Client(base_url=self.installation.url, verify=False, timeout=60, headers=headers)
            with http, suppress(httpx.ConnectError):
                self._ask(http)
            time.sleep(POLL_SECONDS)

    def _ask(self, http: httpx.Client) -> None:
        try:
            while not self.stopped.is_set():
                answer = http.post(PATH, content=new_manifest())
                self.received[SIGNED if answer.status_code == 200 else answer.json()["code"]] += 1
                self.stopped.wait(self.pause)
        except httpx.ConnectError:
            raise
        except httpx.TransportError as error:
            self.broken.append(repr(error))

    def more(self) -> None:
        """Wait until there are some more answers."""
        before, until = self.received.total(), time.monotonic() + START_SECONDS
        while self.received.total() < before + ENOUGH:
            assert time.monotonic() < until
            time.sleep(POLL_SECONDS)


def new_manifest() -> bytes:
    """One that has to be signed and recorded."""
    return re.sub(rb"^[0-9a-f]{64}(?=  data)", os.urandom(32).hex().encode(), MANIFEST, count=1, flags=re.MULTILINE)


@contextmanager
def load(installation: Installation, *, clients: int = CLIENTS, pause: float = 0.0) -> Iterator[tuple[Load, Load]]:
    """Half of the clients of either kind, each with a ``pause`` in seconds after every answer."""
    loads = Load(installation, kept_alive=True, pause=pause), Load(installation, kept_alive=False, pause=pause)
    threads = [threading.Thread(target=each.client) for each in loads for _ in range(clients // 2)]
    for thread in threads:
        thread.start()
    try:
        yield loads
    finally:
        for each in loads:
            each.stopped.set()
        for thread in threads:
            thread.join(START_SECONDS)


def answered(installation: Installation) -> int:
    """How many requests for signatures the service says that it answered."""
    return sum(f"POST {PATH} 200" in line for line in installation.log_lines())


@pytest.mark.slow
def test_a_renewed_certificate_costs_no_request(installation: Installation) -> None:
    certificate, private_key = installation.directory / "cert.crt", installation.directory / "private.key"
    with running(installation, SERVER_WORKERS="2") as process:
        assert installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256").returncode == 0
        with load(installation) as loads:
            for number in range(RENEWALS):
                loads[0].more()
                loads[1].more()
                renewed, renewed_key = self_signed(installation.directory, f"renewed-{number}")
                certificate.write_bytes(renewed.read_bytes())
                private_key.write_bytes(renewed_key.read_bytes())
                process.send_signal(signal.SIGHUP)
                until = time.monotonic() + START_SECONDS
                while {served_certificate(installation) for _ in range(8)} != {renewed.read_bytes()}:
                    assert time.monotonic() < until
            loads[1].more()
    assert [each.broken for each in loads] == [[], []]
    assert {outcome for each in loads for outcome in each.received} == {SIGNED}
    assert answered(installation) == sum(each.received.total() for each in loads)
    assert "Traceback" not in installation.log.read_text()


@pytest.mark.slow
def test_a_restart_loses_no_request_that_was_read(installation: Installation) -> None:
    process = start(installation, SERVER_WORKERS="2")
    try:
        wait_until(installation, "/readyz", 200, process)
        assert installation.run("keys", "create", "p256", "--algorithm", "ecdsa-p256").returncode == 0
        with load(installation) as loads:
            for _ in range(2):
                loads[0].more()
                loads[1].more()
                assert stop(process) == 0
                process = start(installation, SERVER_WORKERS="2")
                wait_until(installation, "/healthz", 200, process)
            loads[0].more()
    finally:
        stop(process)
    # While the tokens open there are no signatures yet. What was read before a stop is signed.
    assert {outcome for each in loads for outcome in each.received} <= {SIGNED, "token-unavailable"}
    assert answered(installation) == sum(each.received[SIGNED] for each in loads), [each.broken for each in loads]
    assert "Traceback" not in installation.log.read_text()


ARTIFACT = ArtifactBuilder(files=(PayloadFile(name="f", content=bytes(8 << 20)),)).build()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """``words`` of the client, of a whole request where not said otherwise, until it leaves ``after`` seconds."""

    path: str = PATH
    body: bytes = MANIFEST
    said: Callable[[bytes], bytes] = bytes
    after: float = 0.0
    encrypted: bool = True


PHASES = {
    "before it said anything": Leaving(encrypted=False, said=lambda _: b""),
    "within the handshake": Leaving(encrypted=False, said=lambda _: b"\x16\x03\x01\x02\x00\x01"),
    "after the handshake": Leaving(said=lambda _: b""),
    "within the head": Leaving(said=lambda request: request[:40]),
    "within the body": Leaving(said=lambda request: request[:-20]),
    "as soon as all is said": Leaving(),
    "a millisecond later": Leaving(after=0.001),
    "three milliseconds later": Leaving(after=0.003),
    "ten milliseconds later": Leaving(after=0.01),
    "thirty milliseconds later": Leaving(after=0.03),
    "within an artifact": Leaving(path="/v1/keys/p256/artifacts", body=ARTIFACT, said=lambda request: request[:-1000]),
    "as soon as an artifact is sent": Leaving(path="/v1/keys/p256/artifacts", body=ARTIFACT),
    "while the artifact comes back": Leaving(path="/v1/keys/p256/artifacts", body=ARTIFACT, after=0.3),
}


@pytest.mark.parametrize("sentence", slow_but({"within the body", "a millisecond later"}, PHASES))
def test_clients_that_leave_cost_nobody_anything(pair: Pair, sentence: str) -> None:
    installation, process = pair
    before = len(installation.log_lines())
    threads = [
        threading.Thread(target=_leave, args=(installation, PHASES[sentence], number % 2 == 0))
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    with installation.http() as http:
        for _ in range(CLIENTS):
            assert http.post(PATH, content=MANIFEST).status_code == 200
    for thread in threads:
        thread.join(START_SECONDS)
    until = time.monotonic() + START_SECONDS
    while any(
        connections_of(worker, installation.port) or _spooled(worker, installation.directory)
        for worker in workers_of(process)
    ):
        assert time.monotonic() < until
        time.sleep(POLL_SECONDS)
    # What was not answered is said to be the client's doing; nothing is said to have failed.
    for line in installation.log_lines()[before:]:
        assert " error " not in line, line
        assert "Traceback" not in line


def _leave(installation: Installation, leaving: Leaving, reset: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = (
        f"POST {leaving.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {installation.api_token}\r\n"
        f"Content-Length: {len(leaving.body)}\r\n\r\n"
    )
    plain = socket.create_connection(("127.0.0.1", installation.port), timeout=START_SECONDS)
    if reset:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with context.wrap_socket(plain) if leaving.encrypted else plain as connection, suppress(OSError):
        connection.sendall(leaving.said(head.encode() + leaving.body))
        time.sleep(leaving.after)


def _spooled(worker: int, directory: Path) -> bool:
    """Whether a worker holds a file of the spool open; they have no names."""
    for descriptor in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith(str(directory / "spool")) and target.endswith("(deleted)"):
                return True
    return False
