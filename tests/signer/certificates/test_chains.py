"""What an import accepts of a CA, and everything that it refuses."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from signer.domain.chains import MAX_BUNDLE_BYTES, MAX_CERTIFICATES, checked_chain
from signer.errors import CertificateRejected
from tests.signer.certificates.authority import (
    CA,
    NO_CA,
    Authority,
    name,
    pem,
    root,
    usage,
    with_broken_signature,
)

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
SIGNS = (usage("digital_signature"), True)
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")

ROOT = root(NOW)
MIDDLE = ROOT.below("Middle")
FIRM = MIDDLE.below("Issuing")


def leaf(authority: Authority, *extensions: tuple[x509.ExtensionType, bool], **options: timedelta) -> x509.Certificate:
    """The certificate of the key in question."""
    return authority.certify(name("firmware"), KEY.public_key(), *extensions, **options)


def bundle(authority: Authority, *extensions: tuple[x509.ExtensionType, bool], **options: timedelta) -> bytes:
    """The leaf with its whole chain."""
    return pem(leaf(authority, *extensions, **options), *authority.chain)


def constrained(path_length: int) -> tuple[x509.ExtensionType, bool]:
    return x509.BasicConstraints(ca=True, path_length=path_length), True


def long_chain(certificates: int) -> bytes:
    """A sound bundle of so many certificates, root and leaf included."""
    authority = ROOT
    for number in range(certificates - 2):
        authority = authority.below(f"CA {number}")
    return bundle(authority)


def own(*, tamper: bool = False) -> bytes:
    """A self-signed certificate of the key."""
    made = leaf(Authority(name=name("firmware"), now=NOW, key=KEY), (NO_CA, True))
    return pem(with_broken_signature(made) if tamper else made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A bundle that is accepted, with so many issuers."""

    content: Callable[[], bytes]
    issuers: int
    self_signed: bool = False


ACCEPTED = {
    "a leaf alone": Row(content=lambda: pem(leaf(ROOT)), issuers=0),
    "a leaf and its root": Row(content=lambda: bundle(ROOT), issuers=1),
    "a leaf with issuers and without the root": Row(content=lambda: pem(leaf(FIRM), *FIRM.chain[:-1]), issuers=2),
    "a whole chain": Row(content=lambda: bundle(FIRM, SIGNS, (NO_CA, True)), issuers=3),
    "text between the certificates": Row(
        content=lambda: b"firmware:\n" + pem(leaf(ROOT)) + b"\nroot:\n" + pem(*ROOT.chain), issuers=1
    ),
    "line ends of other systems": Row(content=lambda: bundle(ROOT).replace(b"\n", b"\r\n"), issuers=1),
    "the longest chain": Row(content=lambda: long_chain(MAX_CERTIFICATES), issuers=MAX_CERTIFICATES - 1),
    "a path length that suffices": Row(
        content=lambda: bundle(root(NOW, "R", constrained(1)).below("I", constrained(0))), issuers=2
    ),
    "issuers that may sign certificates": Row(
        content=lambda: bundle(root(NOW, "R", (CA, True), (usage("key_cert_sign"), True))), issuers=1
    ),
    "an extension that need not be understood": Row(content=lambda: bundle(ROOT, (UNKNOWN, False)), issuers=1),
    "a purpose of its own": Row(
        content=lambda: bundle(ROOT, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True)), issuers=1
    ),
    "the first moment of its validity": Row(content=lambda: bundle(ROOT, begin=0 * DAY), issuers=1),
    "the last moment of its validity": Row(content=lambda: bundle(ROOT, end=0 * DAY), issuers=1),
    "one that the key signed itself": Row(content=own, issuers=0, self_signed=True),
}


@pytest.mark.parametrize("sentence", ACCEPTED)
def test_a_bundle_is_accepted(sentence: str) -> None:
    row = ACCEPTED[sentence]
    chain = checked_chain(row.content(), spki=SPKI, now=NOW)
    assert chain.leaf.public_key() == KEY.public_key()
    assert len(chain.issuers) == row.issuers
    assert chain.self_signed is row.self_signed


def private_key_pem() -> bytes:
    return OTHER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def der_in_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def der() -> bytes:
    return leaf(ROOT).public_bytes(Encoding.DER)


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    # not certificates
    "nothing": ("not PEM", lambda: b""),
    "garbage": ("not PEM", lambda: b"\x00\xff" * 100),
    "DER": ("not PEM", der),
    "a public key": ("not a certificate", lambda: b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    "a private key beside the certificate": ("not a certificate", lambda: bundle(ROOT) + private_key_pem()),
    "a request": ("not a certificate", lambda: bundle(ROOT).replace(b"CERTIFICATE", b"CERTIFICATE REQUEST")),
    "a trusted certificate as openssl writes them": (
        "not a certificate", lambda: bundle(ROOT).replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
    ),
    "PEM without base64": (
        "cannot be read", lambda: b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
    ),
    "PEM without content": ("cannot be read", lambda: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
    "PEM without an end": ("cannot be read", lambda: bundle(ROOT).partition(b"-----END")[0]),
    "PEM of something else": ("cannot be read", lambda: der_in_pem(b"\x30\x03\x02\x01\x05")),
    "a certificate cut short": ("cannot be read", lambda: der_in_pem(der()[:-1])),
    "a certificate with a byte too many": ("cannot be read", lambda: der_in_pem(der() + b"\x00")),
    "a good certificate and a broken one": ("cannot be read", lambda: bundle(ROOT) + der_in_pem(b"\x30\x00")),
    "a bundle that is too large": ("larger", lambda: bundle(ROOT) + b"\n" * MAX_BUNDLE_BYTES),
    "a bundle of too many": ("more than", lambda: long_chain(MAX_CERTIFICATES + 1)),
    # not for this key, or not for signing
    "a certificate of another key": (
        "another key", lambda: pem(ROOT.certify(name("firmware"), OTHER_KEY.public_key()), *ROOT.chain),
    ),
    "the root first": ("another key", lambda: pem(*ROOT.chain, leaf(ROOT))),
    "the leaf missing": ("another key", lambda: pem(*FIRM.chain)),
    "a key usage without signatures": ("key usage", lambda: bundle(ROOT, (usage("key_agreement"), True))),
    "a key usage without anything": ("key usage", lambda: bundle(ROOT, (usage("content_commitment"), False))),
    "a CA for a signing key": ("that of a CA", lambda: bundle(ROOT, (CA, True))),
    # validity
    "an expired certificate": ("1 has expired", lambda: bundle(ROOT, end=timedelta(seconds=-1))),
    "a certificate of tomorrow": ("1 is not valid yet", lambda: bundle(ROOT, begin=timedelta(seconds=1))),
    "an expired issuer": ("2 has expired", lambda: bundle(ROOT.below("I", end=timedelta(seconds=-1)))),
    "an issuer of tomorrow": ("2 is not valid yet", lambda: bundle(ROOT.below("I", begin=DAY))),
    "an expired root": ("3 has expired", lambda: bundle(expired_root().below("I"))),
    # the chain
    "an issuer missing in between": ("2 did not issue", lambda: pem(leaf(FIRM), *FIRM.chain[1:])),
    "the order turned around": ("2 did not issue", lambda: pem(leaf(FIRM), *reversed(FIRM.chain))),
    "the issuer twice": ("3 did not issue", lambda: pem(leaf(FIRM), FIRM.chain[0], *FIRM.chain)),
    "the leaf twice": ("2 did not issue", lambda: pem(leaf(ROOT), leaf(ROOT), *ROOT.chain)),
    "a root of the same name and another key": ("2 did not issue", lambda: pem(leaf(ROOT), *root(NOW).chain)),
    "an issuer of the same key and another name": (
        "2 did not issue",
        lambda: pem(leaf(Authority(name=name("Other"), now=NOW, key=ROOT.key)), *ROOT.chain),
    ),
    "something after the root": ("3 did not issue", lambda: bundle(ROOT) + pem(*root(NOW, "Another").chain)),
    "a leaf whose signature is broken": (
        "2 did not issue", lambda: pem(with_broken_signature(leaf(ROOT)), *ROOT.chain),
    ),
    "an issuer whose signature is broken": (
        "3 did not issue", lambda: bundle(ROOT.below("I", tamper=with_broken_signature)),
    ),
    "a root whose signature is broken": (
        "names itself", lambda: pem(leaf(ROOT), with_broken_signature(ROOT.chain[0])),
    ),
    "one that the key signed itself, broken": ("names itself", lambda: own(tamper=True)),
    "one that names itself and another signed": (
        "names itself", lambda: pem(Authority(name=name("firmware"), now=NOW, key=ROOT.key).certify(
            name("firmware"), KEY.public_key())),
    ),
    # issuers that may not issue
    "an issuer that is no CA": ("2 is not that of a CA", lambda: bundle(ROOT.below("I", (NO_CA, True)))),
    "an issuer that does not say that it is a CA": ("2 is not that of a CA", lambda: bundle(ROOT.below("I", SIGNS))),
    "a root that is no CA": ("3 is not that of a CA", lambda: bundle(root(NOW, "R", (NO_CA, True)).below("I"))),
    "an issuer that may not sign certificates": (
        "2 may not sign", lambda: bundle(ROOT.below("I", (CA, True), SIGNS)),
    ),
    "a path length that is passed": (
        "3 may not issue", lambda: bundle(root(NOW, "R", constrained(0)).below("I")),
    ),
    "a path length that is passed further down": (
        "4 may not issue", lambda: bundle(root(NOW, "R", constrained(1)).below("I").below("J")),
    ),
    # what is not understood, or too weak
    "a leaf with something critical and unknown": ("1 has a critical", lambda: bundle(ROOT, (UNKNOWN, True))),
    "an issuer with something critical and unknown": (
        "2 has a critical", lambda: bundle(ROOT.below("I", (CA, True), (UNKNOWN, True))),
    ),
    "an endless name": (
        "longer than",
        lambda: pem(ROOT.certify(
            x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "x" * 3000)]), KEY.public_key())),
    ),
}  # fmt: skip


def expired_root() -> Authority:
    bare = Authority(name=name("Old"), now=NOW)
    made = bare.certify(bare.name, bare.key.public_key(), (CA, True), begin=-3 * DAY, end=-DAY)
    return Authority(name=bare.name, now=NOW, key=bare.key, chain=(made,))


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_bundle_is_refused(sentence: str) -> None:
    words, content = REFUSED[sentence]
    with pytest.raises(CertificateRejected, match=words):
        checked_chain(content(), spki=SPKI, now=NOW)


def test_refusals_outnumber_acceptances() -> None:
    assert len(REFUSED) > 2 * len(ACCEPTED)


def test_no_byte_of_a_certificate_can_be_changed_into_another_error() -> None:
    good = leaf(ROOT, SIGNS, (NO_CA, True), (x509.SubjectAlternativeName([x509.DNSName("a.example")]), False))
    der = good.public_bytes(Encoding.DER)
    accepted = 0
    for place in range(len(der)):
        changed = bytearray(der)
        changed[place] ^= 0x15
        try:
            checked_chain(der_in_pem(bytes(changed)) + pem(*ROOT.chain), spki=SPKI, now=NOW)
        except CertificateRejected:
            continue
        accepted += 1
    assert accepted == 0, "each byte is signed"


@pytest.mark.parametrize(("digest", "accepted"), {"sha256": True, "sha384": True, "sha1": False}.items())
def test_a_ca_signs_over_a_hash_that_is_not_broken(digest: str, accepted: bool, tmp_path: Path) -> None:
    """openssl signs: the library refuses to make such certificates."""
    now = datetime.now(UTC)
    ca = root(now)
    (tmp_path / "ca").write_bytes(pem(*ca.chain))
    (tmp_path / "ca.key").write_bytes(ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    request = x509.CertificateSigningRequestBuilder(name("firmware")).sign(KEY, hashes.SHA256())
    subprocess.run(
        ["openssl", "x509", "-req", f"-{digest}", "-CA", "ca", "-CAkey", "ca.key", "-CAcreateserial", "-out", "leaf"],
        input=request.public_bytes(Encoding.PEM), cwd=tmp_path, check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    content = (tmp_path / "leaf").read_bytes() + pem(*ca.chain)
    if accepted:
        assert checked_chain(content, spki=SPKI, now=now + DAY).issuers == ca.chain
        return
    with pytest.raises(CertificateRejected, match="weak hash"):
        checked_chain(content, spki=SPKI, now=now + DAY)
