"""One exam for every kind of token: what the pool promises does not depend on who made the token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from hsm import Algorithm, AsyncSigner, PinnedKey, SignRequest, TokenConfig, TokenPool
from hsm.errors import (
    AlgorithmUnsupported,
    ConfigurationError,
    ImportUnsupported,
    KeyAmbiguous,
    KeyExists,
    KeyMismatch,
    KeyNotFound,
    TokenNotFound,
)
from tests.hsm import tpm
from tests.hsm.softhsm import make_softhsm
from tests.support.key_files import key_material

MESSAGE = b"a manifest, more or less"
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A token that sits the exam. ``generates``: the kinds of pairs that it makes and that can only sign."""

    pool: TokenPool
    name: str
    generates: frozenset[Algorithm]
    takes: bool  # private keys from outside

    def key(self, algorithm: Algorithm = Algorithm.ECDSA_P256, *, key_id: bytes, label: str = "") -> PinnedKey:
        """A new pair, pinned; skips where the token does not make its kind."""
        if algorithm not in self.generates:
            pytest.skip(f"{self.name} makes no {algorithm} that can only sign")
        spki = self.pool.generate(algorithm, key_id=key_id, label=label or key_id.hex(), token=self.name, timeout=60)
        return PinnedKey(key_id=key_id, algorithm=algorithm, spki=spki)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("softhsm", marks=pytest.mark.xdist_group("contract-softhsm")),
        pytest.param("tpm", marks=pytest.mark.xdist_group("contract-tpm")),
    ],
)
def token(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Candidate]:
    """An open token of each kind."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "softhsm":
        yield from _opened(make_softhsm(directory).config, frozenset(Algorithm), takes=True)
        return
    if reason := tpm.missing():
        pytest.skip(reason)
    with tpm.running_tpm(directory) as running:
        yield from _opened(running.config, frozenset({Algorithm.ECDSA_P256}), takes=False)


def _opened(config: TokenConfig, generates: frozenset[Algorithm], *, takes: bool) -> Iterator[Candidate]:
    pool = TokenPool([config], timeout=30)
    pool.start()
    try:
        pool.require_ready(config.name, timeout=READY_SECONDS)
        yield Candidate(pool=pool, name=config.name, generates=generates, takes=takes)
    finally:
        pool.close()


def verify(key: PinnedKey, signature: bytes, message: bytes = MESSAGE) -> None:
    """Judge a signature by another way than the code under test does."""
    public = load_der_public_key(key.spki)
    match public:
        case rsa.RSAPublicKey():
            public.verify(signature, message, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePublicKey():
            assert len(signature) == 64
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            public.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
        case ed25519.Ed25519PublicKey():
            public.verify(signature, message)
        case _:
            raise AssertionError(public)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_new_pair_signs_what_its_public_key_verifies(token: Candidate, algorithm: Algorithm) -> None:
    key = token.key(algorithm, key_id=b"new " + algorithm.encode())
    verify(key, token.pool.sign(key, MESSAGE))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_new_private_key_stays_inside_and_only_signs(token: Candidate, algorithm: Algorithm) -> None:
    key = token.key(algorithm, key_id=b"strict " + algorithm.encode(), label=f"strict {algorithm}")
    found = token.pool.find_key(token.name, label=f"strict {algorithm}")
    assert found.key_id == key.key_id
    assert found.spki == key.spki
    assert found.algorithm is algorithm
    assert (found.extractable, found.sensitive, found.local, found.sign) == (False, True, True, True)
    assert (found.has_private, found.has_public) == (True, True)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_pair_from_outside_stays_inside_and_only_signs_or_is_refused(token: Candidate, algorithm: Algorithm) -> None:
    key_id = b"outside " + algorithm.encode()
    given = key_material(algorithm)
    if not token.takes:
        with pytest.raises(ImportUnsupported):
            token.pool.import_pair(given, key_id=key_id, label=f"outside {algorithm}", token=token.name, timeout=30)
        with pytest.raises(KeyNotFound):
            token.pool.find_key(token.name, key_id=key_id)
        return
    token.pool.import_pair(given, key_id=key_id, label=f"outside {algorithm}", token=token.name, timeout=30)
    found = token.pool.find_key(token.name, label=f"outside {algorithm}")
    assert (found.key_id, found.spki, found.algorithm) == (key_id, given.spki, algorithm)
    assert (found.extractable, found.sensitive, found.local, found.sign) == (False, True, False, True)
    assert (found.has_private, found.has_public) == (True, True)
    key = PinnedKey(key_id=key_id, algorithm=algorithm, spki=given.spki)
    verify(key, token.pool.sign(key, MESSAGE))


@pytest.mark.parametrize("algorithm", [item for item in Algorithm if item is not Algorithm.ED25519])
def test_a_digest_from_outside_is_signed_as_the_message_would_be(token: Candidate, algorithm: Algorithm) -> None:
    key = token.key(algorithm, key_id=b"digest " + algorithm.encode())
    import hashlib

    verify(key, token.pool.sign_digest(key, hashlib.sha256(MESSAGE).digest()))


def test_many_at_once_have_each_their_own(token: Candidate) -> None:
    key = token.key(key_id=b"many")
    unknown = SignRequest(PinnedKey(key_id=b"nobody", algorithm=key.algorithm, spki=key.spki), MESSAGE)
    asked = [SignRequest(key, b"%d" % number) for number in range(20)]
    *outcomes, refused = token.pool.sign_many([*asked, unknown])
    for request, outcome in zip(asked, outcomes, strict=True):
        assert isinstance(outcome, bytes)
        verify(key, outcome, request.message)
    assert isinstance(refused, KeyNotFound)


def test_an_event_loop_signs_as_threads_do(token: Candidate) -> None:
    key = token.key(key_id=b"loop")

    async def ask() -> list[bytes]:
        signer = AsyncSigner(token.pool)
        signer.start(asyncio.get_running_loop())
        try:
            return await asyncio.gather(*(signer.sign(key, b"%d" % number, timeout=30) for number in range(20)))
        finally:
            signer.close()

    for number, signature in enumerate(asyncio.run(ask())):
        verify(key, signature, b"%d" % number)


def test_an_empty_and_a_long_message_are_signed(token: Candidate) -> None:
    key = token.key(key_id=b"lengths")
    for message in (b"", b"x" * 1_000_000):
        verify(key, token.pool.sign(key, message), message)


def test_a_pair_is_found_by_identifier_and_by_label(token: Candidate) -> None:
    key = token.key(key_id=b"find me", label="find me too")
    by_id = token.pool.find_key(token.name, key_id=b"find me")
    assert by_id == token.pool.find_key(token.name, label="find me too")
    assert by_id in token.pool.find_keys(token.name)
    assert token.pool.public_key(token.name, b"find me") == key.spki


def test_a_used_identifier_is_refused(token: Candidate) -> None:
    token.key(key_id=b"taken", label="taken a")
    with pytest.raises(KeyExists):
        token.pool.generate(Algorithm.ECDSA_P256, key_id=b"taken", label="taken b", token=token.name)


def test_a_used_label_is_refused(token: Candidate) -> None:
    token.key(key_id=b"label 1", label="label taken")
    with pytest.raises(KeyExists):
        token.pool.generate(Algorithm.ECDSA_P256, key_id=b"label 2", label="label taken", token=token.name)
    assert all(found.key_id != b"label 2" for found in token.pool.find_keys(token.name))


def test_a_destroyed_pair_is_gone_in_both_halves(token: Candidate) -> None:
    key = token.key(key_id=b"short-lived")
    token.pool.sign(key, MESSAGE)
    token.pool.destroy(token.name, key.key_id)
    with pytest.raises(KeyNotFound):
        token.pool.find_key(token.name, key_id=key.key_id)
    with pytest.raises(KeyNotFound):
        token.pool.sign(key, MESSAGE)
    assert token.pool.has_key(token.name, key) is False


def test_another_key_under_the_pinned_identifier_is_refused(token: Candidate) -> None:
    key = token.key(key_id=b"replaced", label="replaced")
    token.pool.sign(key, MESSAGE)
    token.pool.destroy(token.name, key.key_id)
    token.key(key_id=b"replaced", label="replaced")
    with pytest.raises(KeyMismatch) as refused:
        token.pool.sign(key, MESSAGE)
    assert refused.value.expected == key.fingerprint
    assert refused.value.actual != key.fingerprint
    with pytest.raises(KeyMismatch):
        token.pool.has_key(token.name, key)


UNKNOWN = PinnedKey(key_id=b"nobody", algorithm=Algorithm.ECDSA_P256, spki=b"")

REFUSALS = {
    "an unknown identifier is not found": (lambda t: t.pool.find_key(t.name, key_id=b"nobody"), KeyNotFound),
    "an unknown label is not found": (lambda t: t.pool.find_key(t.name, label="nobody"), KeyNotFound),
    "neither identifier nor label is no question": (lambda t: t.pool.find_key(t.name), ConfigurationError),
    "an unknown key has no public key": (lambda t: t.pool.public_key(t.name, b"nobody"), KeyNotFound),
    "an unknown key is not destroyed": (lambda t: t.pool.destroy(t.name, b"nobody"), KeyNotFound),
    "an unknown key signs nothing": (lambda t: t.pool.sign(UNKNOWN, MESSAGE), KeyNotFound),
    "an unknown token is refused": (lambda t: t.pool.find_keys("elsewhere"), TokenNotFound),
    "a key of unknown tokens only is refused": (
        lambda t: t.pool.sign(UNKNOWN, MESSAGE, tokens=["elsewhere"]),
        TokenNotFound,
    ),
    "an empty identifier cannot be given": (
        lambda t: t.pool.generate(Algorithm.ECDSA_P256, key_id=b"", label="x", token=t.name),
        ConfigurationError,
    ),
    "a label of 256 bytes cannot be given": (
        lambda t: t.pool.generate(Algorithm.ECDSA_P256, key_id=b"x", label="x" * 256, token=t.name),
        ConfigurationError,
    ),
    "a digest of 31 bytes is refused": (lambda t: t.pool.sign_digest(UNKNOWN, bytes(31)), AlgorithmUnsupported),
}


@pytest.mark.parametrize("row", REFUSALS)
def test_refusals(token: Candidate, row: str) -> None:
    asked, expected = REFUSALS[row]
    with pytest.raises(expected):
        asked(token)


def test_the_description_names_the_token_and_what_it_can(token: Candidate) -> None:
    described = token.pool.describe(token.name)
    assert described.label
    assert described.initialized
    assert described.login_required
    assert not described.user_pin_locked
    assert {"RSA_PKCS", "ECDSA"} <= set(described.mechanisms)


@pytest.mark.xdist_group("contract-tpm")
def test_a_pair_made_by_the_tokens_own_tool_is_adopted_and_signs(tmp_path: Path) -> None:
    if reason := tpm.missing():
        pytest.skip(reason)
    with tpm.running_tpm(tmp_path) as running:
        for candidate in _opened(running.config, frozenset(), takes=False):
            found = candidate.pool.find_key("tpm", label=running.label)
            assert found.key_id == running.key_id
            assert found.algorithm is not None
            assert found.spki is not None
            key = PinnedKey(key_id=found.key_id, algorithm=found.algorithm, spki=found.spki)
            verify(key, candidate.pool.sign(key, MESSAGE))
            with pytest.raises(AlgorithmUnsupported):
                candidate.pool.generate(Algorithm.ED25519, key_id=b"ed", label="ed", token="tpm")


def test_pairs_that_share_a_label_are_ambiguous(token: Candidate) -> None:
    token.key(key_id=b"twin 1", label="twin")
    second = token.key(key_id=b"twin 2", label="twin 2")
    assert token.pool.find_key(token.name, key_id=second.key_id).key_id == b"twin 2"
    with pytest.raises(KeyNotFound):
        token.pool.find_key(token.name, key_id=b"twin 2", label="twin")
    with pytest.raises((KeyNotFound, KeyAmbiguous)):
        token.pool.find_key(token.name, label="tw")


def test_there_is_no_certificate_beside_a_new_pair(token: Candidate) -> None:
    key = token.key(key_id=b"without a certificate")
    assert token.pool.certificates(token.name, key.key_id) == ()
