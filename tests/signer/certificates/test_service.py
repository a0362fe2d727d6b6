"""Who may do what with certificates, in which states, and what happens when the token fails or lies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hsm.errors import KeyMismatch, SignatureMismatch, TokenUnavailable
from signer.domain.certificates import CertificateParameters as Parameters
from signer.domain.events import EventType
from signer.domain.identity import Identity, Role
from signer.domain.keys import Validity, VersionState
from signer.errors import (
    AccessDenied,
    CertificateNotFound,
    CertificateRejected,
    ClockMovedBack,
    KeyNotFound,
    NoTrustedVersion,
    SignerError,
    StepNotAllowed,
    VersionExpired,
    VersionNotFound,
    VersionQuarantined,
)
from signer.services.token_keys import token_private_key
from tests.signer.certificates.workshop import ADMINISTRATOR, TOLERANCE, Watched, Workshop

NO_PARAMETERS = Parameters()
Act = Callable[[Workshop, str, int], object]

ACTS: dict[str, Act] = {
    "issue": lambda shop, name, number: shop.certificates.issue(ADMINISTRATOR, name, number, NO_PARAMETERS),
    "request": lambda shop, name, number: shop.certificates.request(ADMINISTRATOR, name, number, NO_PARAMETERS),
    "import": lambda shop, name, number: shop.certificates.take(ADMINISTRATOR, name, number, b"-----BEGIN CERTIFICATE"),
    "show": lambda shop, name, number: shop.certificates.current(name, number),
}
# What the state says; an import that gets so far is refused for what it brings.
S = VersionState
DONE, STATE, CONTENT, NONE = None, StepNotAllowed, CertificateRejected, CertificateNotFound
TABLE: dict[VersionState, tuple[type[SignerError] | None, ...]] = {
    S.PENDING: (STATE, STATE, STATE, NONE),
    S.NEXT: (DONE, DONE, CONTENT, DONE),
    S.ACTIVE: (DONE, DONE, CONTENT, DONE),
    S.PREVIOUS: (DONE, DONE, CONTENT, DONE),
    S.RETIRED: (STATE, STATE, STATE, DONE),
    S.DISABLED: (STATE, STATE, STATE, DONE),
    S.QUARANTINED: (STATE, STATE, STATE, DONE),
    S.DESTROYING: (STATE, STATE, STATE, NONE),
    S.DESTROYED: (STATE, STATE, STATE, NONE),
}
CELLS = [
    pytest.param(state, act, expected, id=f"{act}-{state}")
    for state, row in TABLE.items()
    for act, expected in zip(ACTS, row, strict=True)
]


def test_the_table_has_every_state() -> None:
    assert set(TABLE) == set(VersionState)


@pytest.mark.parametrize(("state", "act", "expected"), CELLS)
def test_a_state_allows_what_the_table_says(
    shop: Workshop, state: VersionState, act: str, expected: type[SignerError] | None
) -> None:
    shop.put(shop.create().key, state)
    shop.asked.clear()
    events = len(shop.store.events(after=0, limit=100, key=None))
    if expected is None:
        ACTS[act](shop, "firmware", 1)
        return
    with pytest.raises(expected) as refused:
        ACTS[act](shop, "firmware", 1)
    assert type(refused.value) is expected
    assert shop.asked == [], "a refusal asks nothing of the token"
    assert len(shop.store.events(after=0, limit=100, key=None)) == events, "and leaves no event"


def _import_anothers(shop: Workshop) -> object:
    shop.create("other")
    other = shop.certificates.current("other", 1)
    shop.asked.clear()
    return shop.certificates.take(ADMINISTRATOR, "firmware", 1, other.pem.encode())


REFUSED_CALLS: dict[str, tuple[type[SignerError], Callable[[Workshop], object]]] = {
    "a key that is not there": (KeyNotFound, lambda shop: ACTS["issue"](shop, "other", 1)),
    "a version that is not there": (VersionNotFound, lambda shop: ACTS["request"](shop, "firmware", 2)),
    "the certificate of a version that is not there": (VersionNotFound, lambda shop: ACTS["show"](shop, "firmware", 0)),
    "a subject that is none": (
        CertificateRejected,
        lambda shop: shop.certificates.request(ADMINISTRATOR, "firmware", 1, Parameters(unverified_subject="x"))  ,
    ),
    "a name that is none": (
        CertificateRejected,
        lambda shop: shop.certificates.issue(ADMINISTRATOR, "firmware", 1, Parameters(unverified_names=("x",))),
    ),
    "no days": (
        CertificateRejected,
        lambda shop: shop.certificates.issue(ADMINISTRATOR, "firmware", 1, Parameters(days=0)),
    ),
    "the certificate of another key": (CertificateRejected, _import_anothers),
}  # fmt: skip


@pytest.mark.parametrize("sentence", REFUSED_CALLS)
def test_a_call_is_refused(shop: Workshop, sentence: str) -> None:
    expected, call = REFUSED_CALLS[sentence]
    shop.create()
    before = shop.certificates.current("firmware", 1)
    shop.asked.clear()
    with pytest.raises(expected):
        call(shop)
    assert shop.asked == []
    assert shop.certificates.current("firmware", 1) == before


@pytest.mark.parametrize("role", [Role.SIGNER, Role.READER])
def test_only_administrators_change_certificates(shop: Workshop, role: Role) -> None:
    shop.create()
    shop.asked.clear()
    somebody = Identity(name="somebody", role=role)
    for call in (
        lambda: shop.certificates.issue(somebody, "firmware", 1, NO_PARAMETERS),
        lambda: shop.certificates.request(somebody, "firmware", 1, NO_PARAMETERS),
        lambda: shop.certificates.take(somebody, "firmware", 1, b""),
    ):
        with pytest.raises(AccessDenied):
            call()
    assert shop.asked == []


@pytest.mark.parametrize("act", ["issue", "request", "import"])
def test_a_clock_that_moved_back_is_noticed(shop: Workshop, act: str) -> None:
    shop.create()
    shop.clock.advance(seconds=-TOLERANCE.total_seconds() - 1)
    with pytest.raises(ClockMovedBack):
        ACTS[act](shop, "firmware", 1)


@pytest.mark.parametrize("act", ["issue", "request"])
def test_an_expired_version_signs_nothing(shop: Workshop, act: str) -> None:
    shop.create(validity=Validity(not_after=shop.clock() + timedelta(days=1)))
    shop.clock.advance(days=2)
    shop.asked.clear()
    with pytest.raises(VersionExpired):
        ACTS[act](shop, "firmware", 1)
    assert shop.asked == []


def watched(shop: Workshop) -> Watched:
    assert isinstance(shop.tokens, Watched)
    return shop.tokens


@pytest.mark.parametrize("act", ["issue", "request"])
@pytest.mark.parametrize("state", [VersionState.ACTIVE, VersionState.NEXT])
def test_a_token_that_lies_is_found_out(shop: Workshop, act: str, state: VersionState) -> None:
    shop.put(shop.create().key, state)
    before = shop.certificates.current("firmware", 1)
    watched(shop).lie = True
    with pytest.raises(VersionQuarantined):
        ACTS[act](shop, "firmware", 1)
    assert shop.store.key("firmware").version(1).state is VersionState.QUARANTINED
    assert shop.certificates.current("firmware", 1) == before, "nothing of it is kept"
    last = shop.store.events(after=0, limit=100, key="firmware")[-1]
    assert last.event.type is EventType.VERSION_QUARANTINED


@pytest.mark.parametrize("failure", [KeyMismatch(), SignatureMismatch()])
def test_a_token_with_another_key_quarantines_the_version(shop: Workshop, failure: Exception) -> None:
    shop.create()
    watched(shop).failure = failure
    with pytest.raises(VersionQuarantined):
        ACTS["issue"](shop, "firmware", 1)
    assert shop.store.key("firmware").active is None


def test_a_previous_version_is_not_quarantined_and_still_refused(shop: Workshop) -> None:
    shop.put(shop.create().key, VersionState.PREVIOUS)
    watched(shop).lie = True
    with pytest.raises(SignatureMismatch):
        ACTS["request"](shop, "firmware", 1)
    assert shop.store.key("firmware").version(1).state is VersionState.PREVIOUS


def test_a_token_that_does_not_answer_keeps_its_name(shop: Workshop) -> None:
    shop.create()
    before = shop.certificates.current("firmware", 1)
    watched(shop).failure = TokenUnavailable(token="demo")
    with pytest.raises(TokenUnavailable):
        ACTS["issue"](shop, "firmware", 1)
    assert shop.store.key("firmware").active is not None
    assert shop.certificates.current("firmware", 1) == before


def test_a_key_is_created_although_its_certificate_cannot_be_made(shop: Workshop) -> None:
    watched(shop).failure = TokenUnavailable(token="demo")
    outcome = shop.create()
    (warning,) = outcome.warnings
    assert "token-unavailable" in warning
    assert outcome.key.active is not None
    with pytest.raises(CertificateNotFound):
        shop.certificates.current("firmware", 1)
    watched(shop).failure = None
    prepared = shop.lifecycle.prepare(ADMINISTRATOR, "firmware", validity=Validity())
    assert prepared.warnings == ()
    assert shop.certificates.issue(ADMINISTRATOR, "firmware", 1, NO_PARAMETERS).self_signed


def test_a_key_whose_token_lies_from_the_start_is_told(shop: Workshop) -> None:
    watched(shop).lie = True
    outcome = shop.create()
    assert ["version-quarantined" in warning for warning in outcome.warnings] == [True]
    assert outcome.key.version(1).state is VersionState.QUARANTINED


def test_what_the_token_signs_is_the_structure_itself(shop: Workshop) -> None:
    shop.create()
    shop.asked.clear()
    certificate = shop.certificates.issue(ADMINISTRATOR, "firmware", 1, NO_PARAMETERS)
    request = shop.certificates.request(ADMINISTRATOR, "firmware", 1, NO_PARAMETERS)
    assert shop.asked == [
        x509.load_pem_x509_certificate(certificate.pem.encode()).tbs_certificate_bytes,
        x509.load_pem_x509_csr(request.pem.encode()).tbs_certrequest_bytes,
    ]


class TestPublication:
    """Which public keys devices get."""

    PUBLISHED = frozenset({S.NEXT, S.ACTIVE, S.PREVIOUS, S.QUARANTINED})

    @pytest.mark.parametrize("state", VersionState)
    def test_a_state_is_published_or_not(self, shop: Workshop, state: VersionState) -> None:
        key = shop.put(shop.create().key, state)
        if state in self.PUBLISHED:
            (found,) = shop.publication.public_keys("firmware").versions
            assert found.version == key.version(1)
            return
        with pytest.raises(NoTrustedVersion):
            shop.publication.public_keys("firmware")

    def test_a_version_that_signs_no_more_is_published_until_it_is_retired(self, shop: Workshop) -> None:
        shop.create(validity=Validity(not_after=shop.clock() + timedelta(days=1)))
        shop.lifecycle.prepare(ADMINISTRATOR, "firmware", validity=Validity())
        shop.clock.advance(days=2)
        assert self._numbers(shop) == [1, 2]
        shop.lifecycle.rotate(ADMINISTRATOR, "firmware")
        assert self._numbers(shop) == [1, 2]
        shop.lifecycle.retire(ADMINISTRATOR, "firmware", 1)
        assert self._numbers(shop) == [2]

    def test_a_version_is_published_before_it_signs(self, shop: Workshop) -> None:
        shop.create(validity=Validity(not_before=shop.clock() + timedelta(days=1)))
        assert self._numbers(shop) == [1]

    def test_a_key_that_is_not_there(self, shop: Workshop) -> None:
        with pytest.raises(KeyNotFound):
            shop.publication.public_keys("firmware")

    @staticmethod
    def _numbers(shop: Workshop) -> list[int]:
        return [item.version.number for item in shop.publication.public_keys("firmware").versions]


class TestPrivateKeysInTheToken:
    """The private keys that builders get can sign as the token does, and nothing else."""

    KEY = token_private_key(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        lambda _message: b"",
    )
    FORM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def test_nothing_but_a_signature_comes_out(self) -> None:
        key = self.KEY
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.key_size == 256
        assert isinstance(key.curve, ec.SECP256R1)
        for call in (
            lambda: key.private_bytes(*self.FORM),
            key.private_numbers,
            lambda: key.exchange(ec.ECDH(), key.public_key()),
            lambda: key.sign(b"", ec.ECDSA(hashes.SHA512())),
        ):
            with pytest.raises(NotImplementedError):
                call()

    def test_rsa_signs_in_one_way_only(self) -> None:
        public = rsa.generate_private_key(65537, 2048).public_key()
        key = token_private_key(
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), lambda message: message
        )
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.sign(b"x", padding.PKCS1v15(), hashes.SHA256()) == b"x"
        for how in (
            (padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()),
            (padding.PKCS1v15(), hashes.SHA1()),
        ):
            with pytest.raises(NotImplementedError):
                key.sign(b"x", *how)

    def test_a_key_of_another_kind_is_refused(self) -> None:
        public = x25519.X25519PrivateKey.generate().public_key()
        with pytest.raises(TypeError):
            token_private_key(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), lambda _: b"")
