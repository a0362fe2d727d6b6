"""What a client's certificate proves, and all that proves nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signer.domain.client_cas import distinct, read_client_ca
from signer.domain.client_certificates import (
    MAX_CERTIFICATE_BYTES,
    MAX_VALUE_CHARACTERS,
    ClientCa,
    proved_certificate,
)
from signer.domain.client_choices import CaUse, IdentityField
from signer.errors import (
    ClientCaUnusable,
    ClientCertificateExpired,
    ClientCertificateIssuerUnknown,
    ClientCertificateNotYetValid,
    ClientCertificateRejected,
    CredentialsRejected,
)
from tests.support.client_cas import DAY, GOOD, PRESENT, SPIFFE, Ca, Wanted, common_names, new_ca, spare_key, usage

SECOND = timedelta(seconds=1)
CA = new_ca()
DEVICES = new_ca("devices")
SAME_NAME = new_ca("clients")
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
uri, dns = x509.UniformResourceIdentifier, x509.DNSName


def client_ca(ca: Ca, field: IdentityField | None, *, name: str = "builds") -> ClientCa:
    use = CaUse.DEVICE if field is None else CaUse.IDENTITY
    return read_client_ca(ca.pem, name=name, use=use, field=field)


def subject(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes])


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    field: IdentityField
    wanted: Wanted
    value: str


PROVES = {
    "the one URI": Proof(field=IdentityField.SAN_URI, wanted=GOOD, value=SPIFFE),
    "the one URI among names of other kinds": Proof(
        field=IdentityField.SAN_URI,
        wanted=Wanted(alternatives=[dns("build.example.org"), uri(SPIFFE), dns("other.example.org")]),
        value=SPIFFE,
    ),
    "the one host name": Proof(
        field=IdentityField.SAN_DNS, wanted=Wanted(alternatives=[dns("build.example.org")]), value="build.example.org"
    ),
    "the one CN": Proof(field=IdentityField.CN, wanted=GOOD, value="build"),
    "a CN with spaces inside": Proof(field=IdentityField.CN, wanted=Wanted(names=["The Build"]), value="The Build"),
    "the whole subject": Proof(
        field=IdentityField.SUBJECT,
        wanted=Wanted(subject=subject((NameOID.ORGANIZATION_NAME, "Example"), (NameOID.COMMON_NAME, "build"))),
        value="CN=build,O=Example",
    ),
    "without basic constraints": Proof(field=IdentityField.CN, wanted=Wanted(ca=None), value="build"),
    "with a key usage for signatures": Proof(
        field=IdentityField.CN, wanted=Wanted(usage=usage(digital_signature=True)), value="build"
    ),
    "for clients among other uses": Proof(
        field=IdentityField.CN,
        wanted=Wanted(uses=[ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
        value="build",
    ),
    "with an extension that is not understood and not critical": Proof(
        field=IdentityField.CN, wanted=Wanted(extensions=[(UNKNOWN_EXTENSION, False)]), value="build"
    ),
}


@pytest.mark.parametrize("sentence", PROVES)
def test_it_proves(sentence: str) -> None:
    row = PROVES[sentence]
    issued = CA.issue(row.wanted)
    proved = proved_certificate(issued.der, [client_ca(DEVICES, None, name="devices"), client_ca(CA, row.field)])
    assert (proved.ca, proved.use, proved.field, proved.value) == ("builds", CaUse.IDENTITY, row.field, row.value)
    assert proved.serial == issued.serial
    assert proved.sha256 == issued.certificate.fingerprint(hashes.SHA256()).hex()


def test_a_certificate_of_a_device_is_one_of_that_ca_and_has_no_value() -> None:
    proved = proved_certificate(
        DEVICES.issue().der, [client_ca(CA, IdentityField.CN), client_ca(DEVICES, None, name="devices")]
    )
    assert (proved.ca, proved.use, proved.value) == ("devices", CaUse.DEVICE, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    wanted: Wanted
    says: str
    field: IdentityField = IdentityField.CN


REJECTED = {
    "no extended key usage": Flaw(wanted=Wanted(uses=None), says="clientAuth"),
    "for servers alone": Flaw(wanted=Wanted(uses=[ExtendedKeyUsageOID.SERVER_AUTH]), says="clientAuth"),
    "for everything, which is not for clients": Flaw(
        wanted=Wanted(uses=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), says="clientAuth"
    ),
    "a key usage without signatures": Flaw(wanted=Wanted(usage=usage(key_agreement=True)), says="digital signatures"),
    "that of a CA": Flaw(wanted=Wanted(ca=True), says="that of a CA"),
    "a critical extension that is not understood": Flaw(
        wanted=Wanted(extensions=[(UNKNOWN_EXTENSION, True)]), says="critical extension"
    ),
    "no CN": Flaw(wanted=Wanted(names=[]), says="0 values of cn"),
    "two CNs": Flaw(wanted=Wanted(names=["build", "admin"]), says="2 values of cn"),
    "the same CN twice": Flaw(wanted=Wanted(names=["build", "build"]), says="2 values of cn"),
    "a CN with a NUL": Flaw(wanted=Wanted(names=["admin\0.evil"]), says="printable"),
    "a CN that ends in a new line": Flaw(wanted=Wanted(names=["admin\n"]), says="printable"),
    "a CN with a space before it": Flaw(wanted=Wanted(names=[" admin"]), says="printable"),
    "a CN of spaces": Flaw(wanted=Wanted(names=["  "]), says="printable"),
    "an empty CN": Flaw(wanted=Wanted(names=[""]), says="printable"),
    "a CN of look-alikes": Flaw(wanted=Wanted(names=["аdmin"]), says="printable"),  # noqa: RUF001
    "a CN with a mark that turns writing round": Flaw(wanted=Wanted(names=["nimda\u202e"]), says="printable"),
    "a CN that is too long": Flaw(wanted=Wanted(names=["a" * (MAX_VALUE_CHARACTERS + 1)]), says="longer"),
    "no alternative names": Flaw(
        field=IdentityField.SAN_URI, wanted=Wanted(alternatives=None), says="0 values of san-uri"
    ),
    "a host name where a URI is asked for": Flaw(
        field=IdentityField.SAN_URI, wanted=Wanted(alternatives=[dns(SPIFFE)]), says="0 values of san-uri"
    ),
    "two URIs": Flaw(
        field=IdentityField.SAN_URI,
        wanted=Wanted(alternatives=[uri(SPIFFE), uri("spiffe://example.org/admin")]),
        says="2 values of san-uri",
    ),
    "a URI that is none": Flaw(
        field=IdentityField.SAN_URI, wanted=Wanted(alternatives=[uri("//example.org/build")]), says="form"
    ),
    "a URI with a space": Flaw(
        field=IdentityField.SAN_URI, wanted=Wanted(alternatives=[uri("spiffe://example.org/a b")]), says="form"
    ),
    "a URI with a NUL": Flaw(
        field=IdentityField.SAN_URI, wanted=Wanted(alternatives=[uri("spiffe://a/b\0c")]), says="printable"
    ),
    "two host names": Flaw(
        field=IdentityField.SAN_DNS, wanted=Wanted(alternatives=[dns("a.example"), dns("b.example")]), says="2 values"
    ),
    "a host name that stands for many": Flaw(
        field=IdentityField.SAN_DNS, wanted=Wanted(alternatives=[dns("*.example.org")]), says="form"
    ),
    "a host name with an empty part": Flaw(
        field=IdentityField.SAN_DNS, wanted=Wanted(alternatives=[dns("a..example")]), says="form"
    ),
    "a host name with a NUL": Flaw(
        field=IdentityField.SAN_DNS, wanted=Wanted(alternatives=[dns("a.example\0.evil")]), says="printable"
    ),
    "a CN does not stand in for a host name": Flaw(
        field=IdentityField.SAN_DNS, wanted=Wanted(names=["a.example"], alternatives=None), says="0 values"
    ),
    "an empty subject": Flaw(field=IdentityField.SUBJECT, wanted=Wanted(names=[]), says="printable"),
    "a subject with a NUL, which its text would escape": Flaw(
        field=IdentityField.SUBJECT, wanted=Wanted(names=["admin\0.evil"]), says="printable"
    ),
    "a subject outside of ASCII": Flaw(
        field=IdentityField.SUBJECT,
        wanted=Wanted(subject=subject((NameOID.ORGANIZATION_NAME, "Exämple"), (NameOID.COMMON_NAME, "build"))),
        says="printable",
    ),
}


@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize("sentence", REJECTED)
def test_it_is_rejected(sentence: str) -> None:
    row = REJECTED[sentence]
    with pytest.raises(ClientCertificateRejected, match=row.says):
        proved_certificate(CA.issue(row.wanted).der, [client_ca(CA, row.field)])


@pytest.mark.parametrize("sentence", [name for name in REJECTED if "CN" not in name and "subject" not in name])
def test_what_is_no_matter_of_names_is_rejected_for_devices_too(sentence: str) -> None:
    row = REJECTED[sentence]
    if row.field is not IdentityField.CN:
        return
    with pytest.raises(ClientCertificateRejected, match=row.says):
        proved_certificate(CA.issue(row.wanted).der, [client_ca(CA, None)])


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def test_a_signature_over_a_weak_hash_is_rejected(tmp_path: Path) -> None:
    """By OpenSSL: the library here makes none."""
    ca, (_, key) = CA.write(tmp_path), CA.issuer.write(tmp_path, "ca")
    made, request, wanted = (tmp_path / name for name in ("made.der", "request", "wanted"))
    wanted.write_text("extendedKeyUsage=clientAuth\n")
    curve = "ec_paramgen_curve:P-256"
    request_it = ["req", "-new", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", "/CN=build", "-keyout"]
    openssl(*request_it, tmp_path / "key", "-out", request)
    issue_it = ["x509", "-req", "-sha1", "-days", "1", "-CAcreateserial", "-outform", "DER"]
    openssl(*issue_it, "-in", request, "-CA", ca, "-CAkey", key, "-extfile", wanted, "-out", made)
    with pytest.raises(ClientCertificateRejected, match="weak hash"):
        proved_certificate(made.read_bytes(), [client_ca(CA, IdentityField.CN)])


def _cut(der: bytes) -> bytes:
    return der[:-1]


def _followed(der: bytes) -> bytes:
    return der + b"\0"


def _bit_of_serial(der: bytes) -> bytes:
    place = der.index(b"\x02\x14") + 3 if b"\x02\x14" in der[:32] else 20
    return der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "what is no certificate": lambda _: b"0\x82\x01\x00" + bytes(256),
    "a certificate that is cut off": _cut,
    "a certificate that is followed by something": _followed,
    "a certificate that is too large": lambda der: der + bytes(MAX_CERTIFICATE_BYTES),
    "PEM": lambda _: CA.issue().pem,
    "a bit of the serial number changed": _bit_of_serial,
}


@pytest.mark.parametrize("sentence", BYTES)
def test_bytes_are_refused(sentence: str) -> None:
    with pytest.raises(CredentialsRejected):
        proved_certificate(BYTES[sentence](CA.issue().der), [client_ca(CA, IdentityField.CN)])


BELOW = new_ca("below", above=CA)
STRANGERS = {
    "no CA at all": (CA.issue().der, []),
    "another CA": (DEVICES.issue().der, [CA]),
    "another CA of the same name": (SAME_NAME.issue().der, [CA]),
    "a CA below the configured one": (BELOW.issue().der, [CA]),
    "its own": (new_ca("itself", wanted=GOOD).issuer.der, [CA]),
    "the same key, under another name": (
        new_ca("renamed", key=CA.issuer.key).issue().der,
        [CA],
    ),
}


@pytest.mark.parametrize("sentence", STRANGERS)
def test_an_issuer_is_unknown(sentence: str) -> None:
    der, known = STRANGERS[sentence]
    with pytest.raises(ClientCertificateIssuerUnknown):
        proved_certificate(der, [client_ca(ca, IdentityField.CN) for ca in known])


def test_a_ca_below_issues_where_its_own_certificate_is_configured() -> None:
    assert proved_certificate(BELOW.issue().der, [client_ca(BELOW, IdentityField.CN)]).value == "build"


def test_the_issuer_is_found_by_its_signature_among_cas_of_one_name() -> None:
    cas = [client_ca(CA, IdentityField.CN, name="first"), client_ca(SAME_NAME, IdentityField.CN, name="second")]
    assert proved_certificate(SAME_NAME.issue().der, cas).ca == "second"


SHORT = new_ca("short", wanted=Wanted(alternatives=None, uses=None, ca=True, begins=PRESENT - DAY, ends=PRESENT))
MOMENTS = {
    "before it begins": (CA, PRESENT - DAY - SECOND, ClientCertificateNotYetValid),
    "after it ends": (CA, PRESENT + DAY + SECOND, ClientCertificateExpired),
    "after its issuer ends": (SHORT, PRESENT + SECOND, ClientCertificateExpired),
}


@pytest.mark.parametrize("sentence", MOMENTS)
def test_a_moment_outside(sentence: str) -> None:
    ca, moment, refusal = MOMENTS[sentence]
    proved = proved_certificate(ca.issue().der, [client_ca(ca, IdentityField.CN)])
    with pytest.raises(refusal):
        proved.valid_at(moment)


@pytest.mark.parametrize("moment", [PRESENT - DAY, PRESENT, PRESENT + DAY])
def test_a_moment_inside(moment: object) -> None:
    proved = proved_certificate(CA.issue().der, [client_ca(CA, IdentityField.CN)])
    assert proved.valid_at(moment) is proved  # type: ignore[arg-type]


CA_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "PEM certificates alone"),
    "no PEM": (lambda: CA.issuer.der, "PEM certificates alone"),
    "a private key beside it": (lambda: CA.pem + b"-----BEGIN PRIVATE KEY-----\n", "PEM certificates alone"),
    "a client's certificate": (lambda: CA.issue().pem, "not that of a CA"),
    "a CA that may not sign certificates": (
        lambda: new_ca(wanted=Wanted(alternatives=None, uses=None, ca=True, usage=usage(crl_sign=True))).pem,
        "may not sign certificates",
    ),
    "no basic constraints": (
        lambda: new_ca(wanted=Wanted(alternatives=None, uses=None, ca=None)).pem,
        "not that of a CA",
    ),
    "a broken certificate": (lambda: CA.pem.replace(b"MII", b"MIJ", 1), "cannot be read"),
    "too many": (lambda: CA.pem * 33, "more than 32"),
    "too large": (lambda: CA.pem + b"\n" * (64 << 10), "larger than"),
}


@pytest.mark.parametrize("sentence", CA_FILES)
def test_a_file_of_a_ca_is_refused(sentence: str) -> None:
    content, says = CA_FILES[sentence]
    with pytest.raises(ClientCaUnusable, match=says):
        read_client_ca(content(), name="builds", use=CaUse.IDENTITY, field=IdentityField.CN)


def test_two_cas_with_one_key_are_refused() -> None:
    again = new_ca("again", key=CA.issuer.key)
    with pytest.raises(ClientCaUnusable, match="builds"):
        distinct([client_ca(CA, IdentityField.CN), client_ca(again, None, name="devices")])


def test_one_ca_may_have_one_key_twice() -> None:
    pem = CA.pem + new_ca("renewed", key=CA.issuer.key).pem
    ca = read_client_ca(pem, name="builds", use=CaUse.IDENTITY, field=IdentityField.CN)
    assert distinct([ca]) == (ca,)


def test_a_field_that_a_library_has_no_word_for_is_rejected() -> None:
    """A bit string where text is expected."""
    name = x509.Name([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\0\x01", x509.name._ASN1Type.BitString)])
    issued = CA.issue(Wanted(subject=name))
    with pytest.raises(ClientCertificateRejected, match="printable"):
        proved_certificate(issued.der, [client_ca(CA, IdentityField.SUBJECT)])


def test_names_of_tests_are_what_they_say() -> None:
    assert common_names("a", "b").rfc4514_string() == "CN=b,CN=a"
    assert spare_key() is spare_key()
