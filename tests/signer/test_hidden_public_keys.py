"""Adopting what a real token holds: a pair whose public half is gone, and pairs of kinds that are not used here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from cryptography.x509.oid import NameOID

from signer.domain.publication import public_key_pem
from signer.errors import PairNotSuitable
from signer.services.key_pairs import KeyPairSelector
from signer.services.lifecycle import NewKeyRequest
from tests.signer.doctor.patient import ADMIN, SIGNING_REQUEST, TOKEN, Patient
from tests.support.house import House

CKA_ID = "ab12"
ADOPTED = NewKeyRequest(unverified_name="adopted", unverified_algorithm="ecdsa-p256")


@pytest.fixture
def public_pem(patient: Patient) -> bytes:
    """The public key of a pair in the token, which shows it no longer."""
    patient.tamper("make", CKA_ID, "legacy")
    with patient.service() as service:
        spki = service.tokens.find_key(TOKEN, label="legacy").spki
    assert spki is not None
    patient.tamper("remove", CKA_ID, "public")
    return public_key_pem(spki)


def certificate(pem: bytes) -> str:
    public, private = load_pem_public_key(pem), ec.generate_private_key(ec.SECP256R1())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "legacy")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, public, 1, begin, begin + timedelta(days=1))
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER).hex()


def assert_signs(service: House, pem: bytes) -> None:
    """The key was adopted with this public key and signs; ``sign`` verifies with the pinned key."""
    version = service.store.key("adopted").version(1)
    assert version.spki is not None
    assert public_key_pem(version.spki) == pem
    assert service.sign(ADMIN, "adopted", SIGNING_REQUEST).fingerprint == version.fingerprint


@pytest.mark.slow
def test_with_its_public_key_given(patient: Patient, public_pem: bytes) -> None:
    with patient.service() as service:
        with pytest.raises(PairNotSuitable, match="--public-key"):
            service.lifecycle.adopt(ADMIN, ADOPTED, KeyPairSelector(label="legacy"))
        selector = KeyPairSelector(label="legacy", unverified_public_key=public_pem)
        service.lifecycle.adopt(ADMIN, ADOPTED, selector)
        assert_signs(service, public_pem)


def test_with_its_certificate_beside_it(patient: Patient, public_pem: bytes) -> None:
    patient.tamper("certify", CKA_ID, certificate(public_pem))
    patient.tamper("certify", "ab13", "3000")
    with patient.service() as service:
        service.lifecycle.adopt(ADMIN, ADOPTED, KeyPairSelector(cka_id=bytes.fromhex(CKA_ID)))
        assert_signs(service, public_pem)


def test_a_pair_on_another_curve_is_named_for_what_it_is(patient: Patient) -> None:
    patient.tamper("make-curve", CKA_ID, "legacy", "secp384r1")
    with patient.service() as service, pytest.raises(PairNotSuitable) as refusal:
        service.lifecycle.adopt(ADMIN, ADOPTED, KeyPairSelector(label="legacy"))
    assert refusal.value.reason == "the pair is EC P-384, the key is ecdsa-p256"
