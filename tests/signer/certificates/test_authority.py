"""CAs whose keys are in the token: what they issue, judged by openssl, and what they refuse."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hsm.algorithms import Algorithm
from hsm.errors import SignatureMismatch
from signer.domain.certificate_authority import CertificateTemplate, CertificateUse, IssuedCertificate
from signer.domain.certificates import CertificateParameters
from signer.domain.keys import Key, Purpose, Validity, VersionState
from signer.errors import (
    CertificateNotFound,
    CertificateRejected,
    MessageNotAllowed,
    StepNotAllowed,
    VersionExpired,
    VersionQuarantined,
)
from tests.signer.certificates.authority import name, pem, root, usage
from tests.signer.certificates.workshop import ADMINISTRATOR, Workshop

PAIR = ec.generate_private_key(ec.SECP256R1())
NAMES = x509.SubjectAlternativeName([x509.DNSName("updates.example.com")])
TEMPLATE = CertificateTemplate(
    use=CertificateUse.SERVER,
    subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "updates.example.com")]),
    public_key=PAIR.public_key(),
    names=NAMES,
    lifetime=timedelta(days=90),
    margin=timedelta(hours=1),
)


def ca(shop: Workshop, purpose: Purpose = Purpose.SERVER_CA, algorithm: Algorithm = Algorithm.ECDSA_P256) -> Key:
    return shop.create("ca", purpose=purpose, algorithm=algorithm).key


def issue(shop: Workshop, key: Key, template: CertificateTemplate = TEMPLATE, number: int = 1) -> IssuedCertificate:
    return shop.application.certificate_authority.issue(key, key.version(number), template)


USES = {CertificateUse.SERVER: Purpose.SERVER_CA, CertificateUse.DEVICE: Purpose.DEVICE_CA}
OPENSSL_PURPOSES = {CertificateUse.SERVER: "sslserver", CertificateUse.DEVICE: "sslclient"}


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519])
@pytest.mark.parametrize("use", CertificateUse)
def test_openssl_verifies_what_is_issued(
    shop: Workshop, tmp_path: Path, use: CertificateUse, algorithm: Algorithm
) -> None:
    issued = issue(shop, ca(shop, USES[use], algorithm), replace(TEMPLATE, use=use))
    (tmp_path / "ca.pem").write_text(issued.chain_pem)
    (tmp_path / "leaf.pem").write_text(issued.pem)
    command = ["openssl", "verify", "-x509_strict", "-purpose", OPENSSL_PURPOSES[use], "-CAfile", "ca.pem", "leaf.pem"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "leaf.pem: OK\n"
    other = next(each for each in CertificateUse if each is not use)
    command[4] = OPENSSL_PURPOSES[other]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_certificate_says_what_its_template_says(shop: Workshop) -> None:
    issued = issue(shop, ca(shop))
    made = x509.load_pem_x509_certificate(issued.pem.encode())
    now = shop.clock().replace(microsecond=0)
    assert made.subject == TEMPLATE.subject
    assert made.public_key() == PAIR.public_key()
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == NAMES
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (
        now - TEMPLATE.margin,
        now + TEMPLATE.lifetime,
    )
    assert issued.serial == f"{made.serial_number:x}"
    assert (issued.ca_key, issued.ca_version) == ("ca", 1)


def test_serial_numbers_are_random_positive_and_of_twenty_octets_at_most(shop: Workshop) -> None:
    key = ca(shop)
    serials = {int(issue(shop, key).serial, 16) for _ in range(8)}
    assert len(serials) == 8
    assert all(0 < serial < 1 << 159 for serial in serials)


def test_the_certificate_of_a_ca_is_that_of_a_ca_which_makes_no_other(shop: Workshop) -> None:
    ca(shop)
    made = x509.load_pem_x509_certificate(shop.certificates.current("ca", 1).pem.encode())
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    may = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    assert (may.key_cert_sign, may.crl_sign, may.digital_signature) == (True, True, False)


def _moved(shop: Workshop, key: Key, state: VersionState) -> Key:
    return shop.put(key, state)


def _expired(shop: Workshop) -> object:
    end = shop.clock() + timedelta(days=1)
    key = shop.create("ca", purpose=Purpose.SERVER_CA, validity=Validity(not_after=end)).key
    shop.clock.advance(days=2)
    return issue(shop, key)


def _short(shop: Workshop) -> object:
    key = ca(shop)
    shop.certificates.issue(ADMINISTRATOR, "ca", 1, CertificateParameters(days=30))
    return issue(shop, key)


def _over(shop: Workshop) -> object:
    key = ca(shop)
    shop.certificates.issue(ADMINISTRATOR, "ca", 1, CertificateParameters(days=30))
    shop.clock.advance(days=31)
    return issue(shop, key, replace(TEMPLATE, lifetime=timedelta(days=1)))


REFUSED: dict[str, tuple[type[Exception], Callable[[Workshop], object]]] = {
    "a CA for servers issues for no device": (
        MessageNotAllowed,
        lambda shop: issue(shop, ca(shop), replace(TEMPLATE, use=CertificateUse.DEVICE)),
    ),
    "a CA for devices issues for no server": (MessageNotAllowed, lambda shop: issue(shop, ca(shop, Purpose.DEVICE_CA))),
    "a key for artifacts issues nothing": (MessageNotAllowed, lambda shop: issue(shop, ca(shop, Purpose.ARTIFACT))),
    "a previous version issues no more": (
        StepNotAllowed,
        lambda shop: issue(shop, _moved(shop, ca(shop), VersionState.PREVIOUS)),
    ),
    "a disabled version issues nothing": (
        StepNotAllowed,
        lambda shop: issue(shop, _moved(shop, ca(shop), VersionState.DISABLED)),
    ),
    "a version past its end issues nothing": (VersionExpired, _expired),
    "nothing outlives the CA's certificate": (CertificateRejected, _short),
    "a CA whose certificate has ended issues nothing": (CertificateRejected, _over),
    "no lifetime": (CertificateRejected, lambda shop: issue(shop, ca(shop), replace(TEMPLATE, lifetime=timedelta()))),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_it_is_refused(shop: Workshop, sentence: str) -> None:
    expected, call = REFUSED[sentence]
    with pytest.raises(expected):
        call(shop)


def test_what_the_token_signs_wrongly_does_not_leave(shop: Workshop) -> None:
    key = ca(shop)
    shop.tokens.lie = True  # type: ignore[attr-defined]
    with pytest.raises((VersionQuarantined, SignatureMismatch)):
        issue(shop, key)
    assert shop.store.key("ca").version(1).state is VersionState.QUARANTINED


def test_a_ca_without_a_certificate_issues_nothing(shop: Workshop) -> None:
    shop.tokens.failure = SignatureMismatch(key_id="00")  # type: ignore[attr-defined]
    key = ca(shop)
    shop.tokens.failure = None  # type: ignore[attr-defined]
    with pytest.raises((CertificateNotFound, StepNotAllowed)):
        issue(shop, shop.store.key(key.name))


class TestImported:
    """A CA of the house, certified by one that is not."""

    def _taken(self, shop: Workshop, *extensions: tuple[x509.ExtensionType, bool]) -> Key:
        key = ca(shop)
        request = shop.certificates.request(ADMINISTRATOR, "ca", 1, CertificateParameters())
        asked = x509.load_pem_x509_csr(request.pem.encode())
        above = root(shop.clock())
        made = above.certify(name("ca"), asked.public_key(), *extensions)  # type: ignore[arg-type]
        shop.certificates.take(ADMINISTRATOR, "ca", 1, pem(made, *above.chain))
        return key

    def test_it_issues_with_its_whole_chain(self, shop: Workshop) -> None:
        spki = x509.BasicConstraints(ca=True, path_length=0), True
        identifier = x509.SubjectKeyIdentifier(b"\x01" * 20), False
        key = self._taken(shop, spki, (usage("key_cert_sign", "crl_sign"), True), identifier)
        issued = issue(shop, key, replace(TEMPLATE, lifetime=timedelta(days=10)))
        assert issued.chain_pem.count("BEGIN CERTIFICATE") == 2

    @pytest.mark.parametrize(
        "extensions",
        [
            pytest.param([], id="without basic constraints"),
            pytest.param([(x509.BasicConstraints(ca=False, path_length=None), True)], id="no CA"),
            pytest.param(
                [(x509.BasicConstraints(ca=True, path_length=0), True), (usage("digital_signature"), True)],
                id="may sign no certificates",
            ),
        ],
    )
    def test_a_certificate_that_may_issue_nothing_is_not_taken(
        self, shop: Workshop, extensions: list[tuple[x509.ExtensionType, bool]]
    ) -> None:
        with pytest.raises(CertificateRejected):
            self._taken(shop, *extensions)
