"""Client certificates in real handshakes: which of them reach the application, and what no connection carries over."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.domain.client_cas import read_client_ca
from signer.domain.client_choices import CaUse, IdentityField
from tests.signer.connections import applications
from tests.support.certificates import server_context
from tests.support.client_cas import DAY, GOOD, PRESENT, Issued, Wanted, common_names, new_ca, usage
from tests.support.serving import LIMITS, serving, until_closed

ROOT = new_ca("root")
CA = new_ca("clients", above=ROOT)
DEVICES, STRANGER, BELOW = new_ca("devices"), new_ca("clients"), new_ca("below", above=CA)
EXPIRED_CA = new_ca(
    "past", wanted=Wanted(alternatives=None, uses=None, ca=True, begins=PRESENT - 3 * DAY, ends=PRESENT - DAY)
)
CAS = tuple(
    read_client_ca(ca.pem, name=name, use=CaUse.IDENTITY, field=IdentityField.CN)
    for name, ca in (("clients", CA), ("devices", DEVICES), ("past", EXPIRED_CA))
)
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\5\0")
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
EVENT_LOOPS = ("asyncio", "uvloop")


def client(directory: Path, issued: Issued | None, *, after: bytes = b"") -> ssl.SSLContext:
    """A client with this certificate; ``after``: PEM of what it sends beside it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if issued is not None:
        certificate, key = issued.write(directory)
        certificate.write_bytes(issued.pem + after)
        context.load_cert_chain(certificate, key)
    return context


def answer(connection: ssl.SSLSocket) -> bytes:
    """The body of one answer."""
    connection.sendall(REQUEST)
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return body


def answered(plain: socket.socket, context: ssl.SSLContext) -> bool:
    """Whether a request over this connection has an answer. With TLS 1.3 a client learns of a refusal when it reads."""
    try:
        with context.wrap_socket(plain) as connection:
            connection.sendall(REQUEST)
            return bool(connection.recv(65536))
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    issued: Issued | None
    after: bytes = b""
    logged: str = ""


# What the handshake lets through is looked at again, by the rules for certificates.
REACHES = {
    "a good one": Shown(issued=CA.issue()),
    "none": Shown(issued=None),
    "a device's": Shown(issued=DEVICES.issue()),
    "one without an extended key usage": Shown(issued=CA.issue(Wanted(uses=None))),
    "one with a NUL in its CN": Shown(issued=CA.issue(Wanted(names=["admin\0.evil"]))),
    "one with two CNs": Shown(issued=CA.issue(Wanted(subject=common_names("build", "admin")))),
    "one of a CA below, sent with that": Shown(issued=BELOW.issue(), after=BELOW.pem),
}


@pytest.mark.parametrize("event_loop", EVENT_LOOPS)
@pytest.mark.parametrize("sentence", REACHES)
def test_it_reaches_the_application_with_each_request(tmp_path: Path, sentence: str, event_loop: str) -> None:
    row = REACHES[sentence]
    expected = row.issued.der if row.issued else b"none"
    with (
        serving(applications.certificate, tls=server_context(tmp_path, CAS), event_loop=event_loop) as service,
        service.connect() as plain,
        client(tmp_path, row.issued, after=row.after).wrap_socket(plain) as connection,
    ):
        assert [answer(connection) for _ in range(3)] == [expected] * 3


ENDS = {
    "of another CA of the same name": Shown(issued=STRANGER.issue(), logged="certificate signature failure"),
    "of the CA above, which is not configured": Shown(issued=ROOT.issue()),
    "of itself": Shown(issued=new_ca("itself", wanted=GOOD).issuer),
    "expired": Shown(issued=CA.issue(Wanted(ends=PRESENT - DAY / 2)), logged="certificate has expired"),
    "not valid yet": Shown(issued=CA.issue(Wanted(begins=PRESENT + DAY / 2))),
    "for servers alone": Shown(
        issued=CA.issue(Wanted(uses=[ExtendedKeyUsageOID.SERVER_AUTH])), logged="unsuitable certificate purpose"
    ),
    "that may make no signatures": Shown(issued=CA.issue(Wanted(usage=usage(key_encipherment=True)))),
    "of a CA that has expired": Shown(issued=EXPIRED_CA.issue()),
    "of a CA below, which is not sent": Shown(issued=BELOW.issue()),
    "with a critical extension that nobody knows": Shown(
        issued=CA.issue(Wanted(extensions=[(UNKNOWN_EXTENSION, True)]))
    ),
}


@pytest.mark.parametrize("sentence", ENDS)
def test_it_ends_the_handshake(tmp_path: Path, sentence: str, caplog: pytest.LogCaptureFixture) -> None:
    row = ENDS[sentence]
    with serving(applications.certificate, tls=server_context(tmp_path, CAS)) as service, service.connect() as plain:
        assert not answered(plain, client(tmp_path, row.issued))
    assert f"tls handshake refused from 127.0.0.1: CERTIFICATE_VERIFY_FAILED: {row.logged}" in caplog.text


def test_nothing_is_carried_into_another_connection(tmp_path: Path) -> None:
    """By the session of one that has ended in order, offered again without a certificate."""
    with serving(applications.certificate, tls=server_context(tmp_path, CAS)) as service:
        known = client(tmp_path, CA.issue())
        with service.connect() as plain, known.wrap_socket(plain) as connection:
            assert answer(connection) != b"none"
            session = connection.session
            assert session is None or not session.has_ticket
            with suppress(ssl.SSLError, OSError):
                connection.unwrap()
        with service.connect() as plain, known.wrap_socket(plain, session=session) as connection:
            assert not connection.session_reused


def test_sessions_of_tls_1_2_would_go_on_and_are_not_begun(tmp_path: Path) -> None:
    with serving(applications.certificate, tls=server_context(tmp_path, CAS)) as service:
        older = client(tmp_path, CA.issue())
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        with service.connect() as plain:
            assert not answered(plain, older)


def test_without_client_cas_tls_1_2_is_spoken_and_no_certificate_is_asked_for(tmp_path: Path) -> None:
    with serving(applications.certificate, tls=server_context(tmp_path)) as service:
        older = client(tmp_path, CA.issue())
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        for context in (older, client(tmp_path, CA.issue())):
            with service.connect() as plain, context.wrap_socket(plain) as connection:
                assert answer(connection) == b"none"


def test_a_new_context_holds_for_new_connections(tmp_path: Path) -> None:
    context = client(tmp_path, DEVICES.issue())
    with serving(applications.certificate, tls=server_context(tmp_path, CAS)) as service:
        with service.connect() as plain, context.wrap_socket(plain) as before:
            assert answer(before) != b"none"
            service.tls = server_context(tmp_path, CAS[:1])
            assert answer(before) != b"none"
        with service.connect() as plain:
            assert not answered(plain, context)


SLOW = 40


def test_slow_handshakes_hold_up_nobody_with_a_certificate(tmp_path: Path) -> None:
    """Clients that stop after a few bytes, and ones that stop when they are asked for their certificate."""
    limits = replace(LIMITS, handshake_timeout=3.0)
    context = client(tmp_path, CA.issue())
    with (
        serving(applications.certificate, tls=server_context(tmp_path, CAS), limits=limits) as service,
        ExitStack() as open_ones,
    ):
        slow = [open_ones.enter_context(service.connect()) for _ in range(SLOW)]
        for number, connection in enumerate(slow):
            connection.sendall(_hello(context) if number % 2 else b"\x16\x03\x01")
        begun = time.monotonic()
        with service.connect() as plain, context.wrap_socket(plain) as connection:
            assert answer(connection) != b"none"
        assert time.monotonic() - begun < limits.handshake_timeout
        # And they are ended.
        assert all(until_closed(each) is not None for each in slow)


def _hello(context: ssl.SSLContext) -> bytes:
    """The first flight of a client, and nothing after it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()
