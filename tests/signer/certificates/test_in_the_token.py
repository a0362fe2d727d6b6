"""Certificates and requests made in a real token, judged by openssl; and one that openssl's CA returned."""

from __future__ import annotations

import secrets
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm import TokenPool
from hsm.algorithms import Algorithm
from signer.domain.certificates import WITHOUT_END, CertificateParameters
from signer.domain.events import EventType
from signer.domain.keys import Purpose, Validity, VersionState
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.signer.certificates.workshop import ADMINISTRATOR, TOKEN, Workshop

ALGORITHMS = {
    Algorithm.RSA_3072: "sha256WithRSAEncryption",
    Algorithm.ECDSA_P256: "ecdsa-with-SHA256",
    Algorithm.ED25519: "ED25519",
}
PARAMETERS = CertificateParameters(
    unverified_subject="CN=signing 1,O=Example\\, Inc.,emailAddress=ota@example.com,C=DE",
    unverified_names=("dns:ota.example.com", "email:ota@example.com", "ip:2001:db8::1", "uri:https://example.com/ota"),
    days=30,
)
OPENSSL_SECONDS = 30


def openssl(*arguments: str | Path) -> str:
    """Standard output and error of a command that has to succeed."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=OPENSSL_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    found: Algorithm = request.param
    return found


@pytest.fixture
def made(shop: Workshop, algorithm: Algorithm) -> Workshop:
    """With the key ``signing``."""
    outcome = shop.create("signing", algorithm=algorithm, purpose=Purpose.LOG)
    assert outcome.warnings == ()
    return shop


def test_a_new_key_has_a_certificate_that_openssl_verifies(
    made: Workshop, algorithm: Algorithm, tmp_path: Path
) -> None:
    certificate = made.certificates.current("signing", 1)
    path = tmp_path / "self.pem"
    path.write_text(certificate.pem)
    assert certificate.self_signed
    assert certificate.not_after == WITHOUT_END
    assert openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", path, path) == f"{path}: OK\n"
    text = openssl("x509", "-in", path, "-noout", "-text")
    assert f"Signature Algorithm: {ALGORITHMS[algorithm]}" in text
    assert "Subject: CN = signing\n" in text
    assert "Not After : Dec 31 23:59:59 9999 GMT" in text
    assert "CA:FALSE" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text


def test_openssl_finds_in_the_certificate_what_was_asked_for(made: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "self.pem"
    path.write_text(made.certificates.issue(ADMINISTRATOR, "signing", 1, PARAMETERS).pem)
    text = openssl("x509", "-in", path, "-noout", "-text", "-nameopt", "RFC2253")
    assert "Subject: CN=signing 1,O=Example\\, Inc.,emailAddress=ota@example.com,C=DE\n" in text
    assert (
        "DNS:ota.example.com, email:ota@example.com, IP Address:2001:DB8:0:0:0:0:0:1, URI:https://example.com/ota"
        in text
    )
    expected = (made.clock() + timedelta(days=30)).replace(microsecond=0)
    assert made.certificates.current("signing", 1).not_after == expected


def test_openssl_verifies_the_request_and_its_certificate_comes_back(made: Workshop, tmp_path: Path) -> None:
    request = made.certificates.request(ADMINISTRATOR, "signing", 1, PARAMETERS)
    csr, ca, ca_key, leaf = (tmp_path / name for name in ("csr", "ca", "ca.key", "leaf"))
    csr.write_text(request.pem)
    assert "self-signature verify OK" in openssl("req", "-in", csr, "-noout", "-verify")
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=Test CA",
        "-addext", "keyUsage=critical,keyCertSign", "-days", "9", "-keyout", ca_key, "-out", ca,
    )  # fmt: skip
    openssl(
        "x509", "-req", "-in", csr, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "8",
        "-copy_extensions", "copy", "-out", leaf,
    )  # fmt: skip
    made.clock.advance(seconds=OPENSSL_SECONDS)
    taken = made.certificates.take(ADMINISTRATOR, "signing", 1, leaf.read_bytes() + ca.read_bytes())
    assert made.certificates.current("signing", 1) == taken
    assert not taken.self_signed
    for name, content in (("kept.pem", taken.pem), ("chain.pem", taken.chain_pem)):
        (tmp_path / name).write_text(content)
    openssl("verify", "-x509_strict", "-CAfile", tmp_path / "chain.pem", tmp_path / "kept.pem")
    assert "IP Address:2001:DB8:0:0:0:0:0:1" in openssl("x509", "-in", tmp_path / "kept.pem", "-noout", "-text")


def test_each_leaves_its_event_with_what_was_before(made: Workshop) -> None:
    first = made.certificates.current("signing", 1)
    second = made.certificates.issue(ADMINISTRATOR, "signing", 1, CertificateParameters(days=1))
    made.certificates.request(ADMINISTRATOR, "signing", 1, CertificateParameters())
    made.certificates.take(ADMINISTRATOR, "signing", 1, first.pem.encode())
    recorded = [item.event for item in made.store.events(after=0, limit=100, key="signing")][2:]
    assert [event.type for event in recorded] == [
        EventType.CERTIFICATE_ISSUED,
        EventType.CERTIFICATE_ISSUED,
        EventType.REQUEST_ISSUED,
        EventType.CERTIFICATE_IMPORTED,
    ]
    assert {event.actor for event in recorded} == {ADMINISTRATOR.name}
    assert {event.version for event in recorded} == {1}
    digests = [_sha256(first.pem), _sha256(second.pem), _sha256(first.pem)]
    kept = [event for event in recorded if event.type is not EventType.REQUEST_ISSUED]
    assert [event.after["certificate"] for event in kept] == digests
    assert [event.before.get("certificate") for event in kept] == [None, *digests[:2]]


def test_administrative_signatures_are_not_counted(made: Workshop) -> None:
    made.certificates.issue(ADMINISTRATOR, "signing", 1, CertificateParameters())
    made.certificates.request(ADMINISTRATOR, "signing", 1, CertificateParameters())
    version = made.store.key("signing").version(1)
    assert version.signature_count == 0
    assert version.last_signed_at is None
    assert len(made.asked) == 3, "one for the first certificate, one for each of these"


def test_the_next_version_has_a_certificate_of_its_own_key(made: Workshop) -> None:
    validity = Validity(not_after=made.clock() + timedelta(days=3))
    outcome = made.lifecycle.prepare(ADMINISTRATOR, "signing", validity=validity)
    assert outcome.warnings == ()
    assert outcome.key.version(2).state is VersionState.NEXT
    first, second = (made.certificates.current("signing", number) for number in (1, 2))
    assert _spki(second.pem) == outcome.key.version(2).spki != _spki(first.pem)
    assert second.not_after == (made.clock() + timedelta(days=3)).replace(microsecond=0)


def test_an_adopted_pair_gets_a_certificate(shop: Workshop, pool: TokenPool, algorithm: Algorithm) -> None:
    label = f"adopted-{secrets.token_hex(8)}"
    spki = pool.generate(algorithm, key_id=secrets.token_bytes(16), label=label, token=TOKEN)
    request = NewKeyRequest(unverified_name="adopted", unverified_algorithm=algorithm.value, purpose=Purpose.LOG)
    assert shop.lifecycle.adopt(ADMINISTRATOR, request, KeyPairSelector(label=label)).warnings == ()
    assert _spki(shop.certificates.current("adopted", 1).pem) == spki


def _sha256(pem: str) -> str:
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


def _spki(pem: str) -> bytes:
    public = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
