"""Real TLS: what a device believes a server by, what it shows, and answers that never end."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest

from device.bundle import TrustedServers
from device.certificates import ClientCertificates, issued_name
from device.errors import (
    AnswerInvalid,
    BundleRefused,
    ClientCertificateRefused,
    DeadlineExceeded,
    DeviceError,
    ServerNotPinned,
    ServerNotTrusted,
    ServiceUnreachable,
    SettingsInvalid,
)
from device.http import Response, ServerAddress
from device.keys import DeviceKey, KeyKind, made
from device.requests import Request
from device.store import Directory
from device.transport import HttpsTransport, ServerTrust
from tests.device.certificates import DAY, Pair, issued, self_signed, signed_by
from tests.device.tls_server import OK, TlsServer, server_context, tls_server

CA = self_signed("ca.example", ca=True)
SERVER, OTHER = self_signed(), self_signed()
LEAF, EXPIRED = signed_by(CA), self_signed(ends=-DAY / 2)
KEY = DeviceKey.of_pem("key.pem", made(KeyKind.P256))
ASKED = Request(method="POST", path="/x", body=b"secret")


class Scene:
    """A device in a folder, before a server on loopback."""

    def __init__(self, directory: Path, server: TlsServer) -> None:
        self.directory, self.server = directory, server
        self.file = directory / "server.crt"
        self.store = Directory(directory / "state")

    def transport(self, bundle: bytes, *, host: str = "127.0.0.1", **more: object) -> HttpsTransport:
        self.file.write_bytes(bundle)
        return HttpsTransport(
            address=ServerAddress(host=host, port=self.server.port, prefix="/p"),
            servers=TrustedServers(file=self.file, store=self.store, lock=self.lock),
            **{"trust": ServerTrust.CHAIN, **more},  # type: ignore[arg-type]
        )

    def lock(self) -> AbstractContextManager[None]:
        return self.store.locked(time.monotonic() + 5)


def ask(transport: HttpsTransport, *, seconds: float = 5.0) -> Response:
    return transport.exchange(ASKED, key=KEY, until=time.monotonic() + seconds)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with tls_server(SERVER.write(tmp_path)) as server:
        yield Scene(tmp_path, server)


class Row(NamedTuple):
    """The server's certificate, the bundle, how it is used, and the error; None: it is believed."""

    server: Pair
    bundle: tuple[Pair, ...]
    trust: ServerTrust = ServerTrust.CHAIN
    error: type[DeviceError] | None = None
    host: str = "127.0.0.1"


BELIEVED = {
    "a self-signed one that is in the bundle": Row(SERVER, (SERVER,)),
    "the second of two": Row(SERVER, (OTHER, SERVER)),
    "one of a CA in the bundle": Row(LEAF, (CA,)),
    "one of a CA, itself in the bundle without it": Row(LEAF, (LEAF,)),
    "a pinned one": Row(SERVER, (OTHER, SERVER), ServerTrust.PIN),
    "a pinned one of a CA": Row(LEAF, (LEAF,), ServerTrust.PIN),
    "one beside an expired one": Row(SERVER, (EXPIRED, SERVER)),
    "another one": Row(SERVER, (OTHER,), error=ServerNotTrusted),
    "one of another CA": Row(LEAF, (SERVER,), error=ServerNotTrusted),
    "an expired one": Row(EXPIRED, (EXPIRED,), error=ServerNotTrusted),
    "an expired one that is pinned": Row(EXPIRED, (EXPIRED,), ServerTrust.PIN, ServerNotTrusted),
    "one of a pinned CA, which is no pin of it": Row(LEAF, (CA,), ServerTrust.PIN, ServerNotPinned),
    "one for another name": Row(SERVER, (SERVER,), error=ServerNotTrusted, host="localhost"),
}


@pytest.mark.parametrize("sentence", BELIEVED)
def test_a_server_is_believed_by_the_bundle_and_nothing_else(scene: Scene, tmp_path: Path, sentence: str) -> None:
    row = BELIEVED[sentence]
    scene.server.context = server_context(row.server.write(tmp_path))
    transport = scene.transport(b"".join(each.pem for each in row.bundle), trust=row.trust, host=row.host)
    if row.error is None:
        assert (ask(transport).status, len(scene.server.heard)) == (200, 1)
        assert b"POST /p/x HTTP/1.1\r\n" in scene.server.heard[0]
        return
    with pytest.raises(row.error):
        ask(transport)
    assert not any(b"secret" in heard for heard in scene.server.heard)


def test_a_switch_with_overlap_fails_nobody_and_needs_no_restart(scene: Scene, tmp_path: Path) -> None:
    transport = scene.transport(SERVER.pem)
    assert ask(transport).status == 200
    scene.file.write_bytes(SERVER.pem + OTHER.pem)
    assert ask(transport).status == 200
    scene.server.switch(OTHER.write(tmp_path))
    assert ask(transport).status == 200
    scene.file.write_bytes(OTHER.pem[:200])
    assert ask(transport).status == 200
    scene.file.write_bytes(OTHER.pem)
    assert ask(transport).status == 200
    scene.server.switch(SERVER.write(tmp_path))
    with pytest.raises(ServerNotTrusted):
        ask(transport)


def test_a_bundle_that_was_never_good_connects_nowhere(scene: Scene) -> None:
    with pytest.raises(BundleRefused):
        ask(scene.transport(SERVER.pem[:100]))
    assert scene.server.heard == []


HEAD = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, tuple[list[bytes], type[DeviceError]]] = {
    "no HTTP": ([b"hello\r\n\r\n"], AnswerInvalid),
    "nothing": ([b""], ServiceUnreachable),
    "no length, so that anybody may end it": ([HEAD + b"\r\nok"], AnswerInvalid),
    "fewer bytes than it said": ([HEAD + b"Content-Length: 9\r\n\r\nok"], ServiceUnreachable),
    "half a chunk": ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nok"], ServiceUnreachable),
    "too much": ([HEAD + b"Content-Length: 99999999\r\n\r\n"], AnswerInvalid),
    "too much in chunks": (
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"] + [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 17,
        AnswerInvalid,
    ),
    "a head without an end": ([HEAD] + [b"a: " + b"b" * 60_000 + b"\r\n"] * 200, AnswerInvalid),
}


@pytest.mark.parametrize("sentence", ANSWERS)
def test_what_is_no_whole_answer_is_none(scene: Scene, sentence: str) -> None:
    scene.server.pieces, error = ANSWERS[sentence]
    with pytest.raises(error):
        ask(scene.transport(SERVER.pem))


@pytest.mark.parametrize("how", ["drop by drop", "silent", "nothing after the head"])
def test_the_deadline_is_of_the_whole(scene: Scene, how: str) -> None:
    match how:
        case "drop by drop":
            scene.server.pieces, scene.server.pause = [bytes([byte]) for byte in OK], 0.1
        case "silent":
            scene.server.silent = True
        case _:
            scene.server.pieces, scene.server.pause = [OK[:-1]], 5.0
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        ask(scene.transport(SERVER.pem), seconds=0.5)
    assert time.monotonic() - begun < 2.0


def test_a_resolver_that_hangs_is_left(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> object:
        scene.server.stopping.wait(5.0)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(DeadlineExceeded):
        ask(scene.transport(SERVER.pem), seconds=0.2)


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_where_nobody_is(scene: Scene, host: str) -> None:
    transport = scene.transport(SERVER.pem, host=host)
    scene.server.close()
    with pytest.raises(ServiceUnreachable):
        ask(transport)


class TestMutualTls:
    """The certificate of the key that asks is shown, or nobody is asked."""

    @pytest.fixture
    def mutual(self, tmp_path: Path) -> Iterator[Scene]:
        (tmp_path / "ca.pem").write_bytes(CA.pem)
        with tls_server(SERVER.write(tmp_path), client_ca=tmp_path / "ca.pem") as server:
            made_scene = Scene(tmp_path, server)
            with made_scene.lock():
                made_scene.store.create("key.pem", made(KeyKind.P256))
            yield made_scene

    def key(self, scene: Scene) -> DeviceKey:
        return DeviceKey.of_pem("key.pem", scene.store.read("key.pem") or b"")

    def shown_by(self, scene: Scene, given: bytes) -> HttpsTransport:
        (scene.directory / "device.crt").write_bytes(given)
        certificates = ClientCertificates(directory=scene.store, given=scene.directory / "device.crt")
        return scene.transport(SERVER.pem, certificates=certificates)

    def certificate(self, key: DeviceKey, days: int = 1) -> bytes:
        ends = DAY * days
        public = key.private.public_key()
        made_now = issued("device", public, CA.key, issuer="ca.example", ends=ends)
        return Pair(certificate=made_now, key=CA.key).pem

    def test_it_is_shown_and_one_that_was_renewed_takes_its_place(self, mutual: Scene) -> None:
        key = self.key(mutual)
        first, second = self.certificate(key), self.certificate(key, days=2)
        transport = self.shown_by(mutual, first)
        for content in (None, second):
            if content is not None:
                mutual.store.replace(issued_name(key.fingerprint), content)
            assert transport.exchange(ASKED, key=key, until=time.monotonic() + 5).status == 200
        assert mutual.server.shown[0] != mutual.server.shown[1]

    def test_the_certificate_of_another_key_is_not_shown(self, mutual: Scene) -> None:
        other = DeviceKey.of_pem("key.pem", made(KeyKind.P256))
        transport = self.shown_by(mutual, self.certificate(other))
        for ask_so in (transport.require_shown, lambda key: transport.exchange(ASKED, key=key, until=0.0)):
            with pytest.raises(ClientCertificateRefused):
                ask_so(self.key(mutual))
        assert mutual.server.heard == []

    @pytest.mark.parametrize("given", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    def test_what_is_no_certificate_is_not_shown(self, mutual: Scene, given: bytes) -> None:
        with pytest.raises(ClientCertificateRefused):
            self.shown_by(mutual, given).require_shown(self.key(mutual))

    def test_a_server_that_wants_one_refuses_who_shows_none(self, mutual: Scene) -> None:
        with pytest.raises((ServiceUnreachable, AnswerInvalid)):
            ask(mutual.transport(SERVER.pem))


@pytest.mark.parametrize(
    "url",
    ["", "host", "http://host", "https://", "https://a b", "https://u:p@host", "https://host?x", "https://host:x",
     "https://host#x", "https://hö.st", "https://host\r\nx: y"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        ServerAddress.of_url(url)


def test_an_address_keeps_its_prefix() -> None:
    address = ServerAddress.of_url("https://host:8443/mender/")
    assert (address.host, address.port, address.prefix) == ("host", 8443, "/mender")
    assert ServerAddress.of_url("https://[::1]").host == "::1"
