"""Pairs that are in the token already: what is taken over, what is warned of, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from hsm.algorithms import Algorithm
from hsm.errors import (
    DeadlineExceeded,
    KeyAmbiguous,
    KeyHalvesDiffer,
    TokenError,
    TokenUnavailable,
)
from hsm.errors import KeyNotFound as KeyNotInToken
from signer.domain.events import EventType as E
from signer.domain.keys import Origin, Validity, VersionState
from signer.errors import (
    PairInUse,
    PairNotSuitable,
)
from signer.services.key_pairs import KeyPairSelector
from tests.support.house import ADMIN, KEY, REQUEST, SIGNER, House
from tests.support.memory_tokens import MemoryTokens, Pair, PrivateKey, make_key, spki_of

from .steps import asked

P256 = Algorithm.ECDSA_P256
UNLIMITED = Validity()


def some_pair(**changes: object) -> Pair:
    private = make_key(P256)
    fields: dict[str, object] = {"key_id": b"\xab\xcd", "label": "legacy", "private": private, "spki": spki_of(private)}
    return Pair(**(fields | {"local": False} | changes))  # type: ignore[arg-type]


SELECTORS = {"by label": KeyPairSelector(label="legacy"), "by CKA_ID": KeyPairSelector(cka_id=b"\xab\xcd")}


class TestAdopt:
    @pytest.mark.parametrize("how", SELECTORS)
    def test_a_pair_is_adopted(self, house: House, tokens: MemoryTokens, how: str) -> None:
        pair = tokens.put(some_pair())
        tokens.put(some_pair(key_id=b"\x99", label="another"))
        outcome = house.lifecycle.adopt(ADMIN, asked(), SELECTORS[how])
        version = outcome.key.version(1)
        assert (version.state, version.origin) == (VersionState.ACTIVE, Origin.ADOPTED)
        assert (version.cka_id, version.spki, version.tokens) == (pair.key_id, pair.spki, ("one",))
        assert outcome.warnings == ()
        assert house.event_types() == [E.CREATION_STARTED, E.KEY_ADOPTED, E.CERTIFICATE_ISSUED]
        assert house.events()[0].event.after["origin"] == "adopted"

    def test_a_pair_in_the_second_token_is_found(self, pair_house: House, two_tokens: MemoryTokens) -> None:
        two_tokens.put(some_pair(), token="two")
        key = pair_house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"]).key
        assert key.version(1).tokens == ("two",)
        assert pair_house.store.key(KEY) == key

    def test_as_a_next_version(self, house: House, tokens: MemoryTokens) -> None:
        house.create()
        tokens.put(some_pair())
        key = house.lifecycle.prepare(ADMIN, KEY, validity=UNLIMITED, selector=SELECTORS["by label"]).key
        assert key.version(2).state is VersionState.NEXT
        assert key.version(2).origin is Origin.ADOPTED

    WARNED = {  # noqa: RUF012  (a table)
        "the private key can be taken out": ({"extractable": True}, ("extractable",)),
        "the private key is shown": ({"sensitive": False}, ("not sensitive",)),
        "both": ({"extractable": True, "sensitive": False}, ("extractable", "not sensitive")),
    }

    @pytest.mark.parametrize("sentence", WARNED)
    def test_a_weak_pair_is_adopted_with_a_warning(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        changes, words = self.WARNED[sentence]
        tokens.put(some_pair(**changes))
        outcome = house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert outcome.key.version(1).state is VersionState.ACTIVE
        assert len(outcome.warnings) == len(words)
        for word, warning in zip(words, outcome.warnings, strict=True):
            assert word in warning

    @pytest.mark.parametrize("sentence", WARNED)
    def test_a_weak_pair_is_refused_in_strict_mode(
        self, open_worker: Callable[..., House], tokens: MemoryTokens, sentence: str
    ) -> None:
        changes, words = self.WARNED[sentence]
        tokens.put(some_pair(**changes))
        strict = open_worker(tokens, strict=True)
        with pytest.raises(PairNotSuitable) as refusal:
            strict.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert all(word in refusal.value.reason for word in words)
        assert_name_is_free(strict)


def assert_name_is_free(house: House) -> None:
    """No key of the name signs, is published or keeps the name."""
    assert [key for key in house.store.all_keys() if key.trusted] == []
    assert house.create().active is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """What the token holds, and how adopting it by label is refused."""

    pairs: tuple[dict[str, object], ...]
    error: type[Exception]
    says: str = ""


OTHER_PUBLIC = spki_of(make_key(P256))
RSA = make_key(Algorithm.RSA_2048)
P384 = ec.generate_private_key(ec.SECP384R1())
UNFIT = {
    "no such pair": Unfit(pairs=({"label": "another"},), error=KeyNotInToken),
    "two pairs of one label": Unfit(pairs=({}, {"key_id": b"\x77"}), error=KeyAmbiguous),
    "the halves do not belong together": Unfit(pairs=({"spki": OTHER_PUBLIC},), error=KeyHalvesDiffer),
    "the public half is missing": Unfit(pairs=({"spki": None},), error=PairNotSuitable, says="--public-key"),
    "the private half is missing": Unfit(pairs=({"private": None},), error=PairNotSuitable, says="no private half"),
    "another algorithm": Unfit(
        pairs=({"private": RSA, "spki": spki_of(RSA)},), error=PairNotSuitable, says="rsa-2048, the key is ecdsa-p256"
    ),
    "an algorithm that is not used here": Unfit(
        pairs=({"private": P384, "spki": spki_of(P384)},),
        error=PairNotSuitable,
        says="the pair is EC P-384, the key is ecdsa-p256",
    ),
    "a private half that may not sign": Unfit(pairs=({"sign": False},), error=PairNotSuitable, says="CKA_SIGN"),
    "no CKA_ID": Unfit(pairs=({"key_id": b""},), error=PairNotSuitable, says="CKA_ID"),
    "a CKA_ID that is too long": Unfit(pairs=({"key_id": bytes(256)},), error=PairNotSuitable, says="CKA_ID"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A pair whose public half the token does not show, what is known of it, and what becomes of the adoption.

    ``given``: PEM. ``certificates``: DER, beside the pair. ``says``: why it is refused; None: it is adopted.
    """

    given: bytes | None = None
    certificates: tuple[bytes, ...] = ()
    says: str | None = None
    private: PrivateKey | ec.EllipticCurvePrivateKey = field(default_factory=lambda: MINE)
    shown: bool = False


def pem(key: PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certificate(key: PrivateKey | ec.EllipticCurvePrivateKey, encoding: Encoding = Encoding.DER) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=1))
    return builder.sign(MINE, hashes.SHA256()).public_bytes(encoding)


MINE, OTHER = make_key(P256), make_key(P256)
ELSEWHERE = "does not belong to the private half"
HIDDEN = {
    "its public key is given": Hidden(given=pem(MINE)),
    "its public key is given in a certificate": Hidden(given=certificate(MINE, Encoding.PEM)),
    "a certificate is beside it": Hidden(certificates=(certificate(MINE),)),
    "a certificate of another key is beside it too": Hidden(certificates=(certificate(OTHER), certificate(MINE))),
    "two certificates of it are beside it": Hidden(certificates=(certificate(MINE), certificate(MINE))),
    "a certificate that cannot be read is beside it too": Hidden(certificates=(b"0", b"", certificate(MINE))),
    "what is given counts before what is beside it": Hidden(given=pem(MINE), certificates=(certificate(OTHER),)),
    "its public key is given although it is shown": Hidden(given=pem(MINE), shown=True),
    "nothing tells of it": Hidden(says="--public-key"),
    "only what cannot be read is beside it": Hidden(certificates=(b"0",), says="--public-key"),
    "another public key is given": Hidden(given=pem(OTHER), says=ELSEWHERE),
    "another public key is given although it is shown": Hidden(given=pem(OTHER), shown=True, says="shows another"),
    "only a certificate of another key is beside it": Hidden(certificates=(certificate(OTHER),), says=ELSEWHERE),
    "a public key of another algorithm is given": Hidden(given=pem(RSA), says="the pair is rsa-2048"),
    "a certificate of another algorithm is beside it": Hidden(
        certificates=(certificate(RSA),), says="the pair is rsa-2048"
    ),
    "a public key that is not used here is given": Hidden(given=pem(P384), private=P384, says="the pair is EC P-384"),
    "what is given is no key": Hidden(given=b"hello", says="no public key"),
    "what is given is empty": Hidden(given=b"", says="no public key"),
    "what is given is a private key": Hidden(
        given=MINE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), says="no public key"
    ),
    "what is given is DER": Hidden(given=spki_of(MINE), says="no public key"),
    "what is given is a broken certificate": Hidden(
        given=b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", says="no public key"
    ),
}


class TestHiddenPublicHalf:
    """The public key of a pair may come from elsewhere; a signature proves that it belongs to the pair."""

    @pytest.mark.parametrize("sentence", HIDDEN)
    def test_a_pair_without_its_public_half(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        row = HIDDEN[sentence]
        spki = spki_of(MINE) if row.shown else None
        tokens.put(some_pair(private=row.private, spki=spki, certificates=row.certificates))
        selector = KeyPairSelector(label="legacy", unverified_public_key=row.given)
        if row.says is not None:
            with pytest.raises(PairNotSuitable) as refusal:
                house.lifecycle.adopt(ADMIN, asked(), selector)
            assert row.says in refusal.value.reason
            assert_name_is_free(house)
            return
        version = house.lifecycle.adopt(ADMIN, asked(), selector).key.version(1)
        assert (version.spki, version.state) == (spki_of(MINE), VersionState.ACTIVE)
        assert house.sign(SIGNER, KEY, REQUEST).fingerprint == version.fingerprint


class TestUnfitPairs:
    @pytest.mark.parametrize("sentence", UNFIT)
    def test_it_is_refused_and_the_name_is_free(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        row = UNFIT[sentence]
        for changes in row.pairs:
            tokens.put(some_pair(**changes))
        held = tokens.pairs()
        with pytest.raises(row.error) as refusal:
            house.lifecycle.adopt(ADMIN, asked(), KeyPairSelector(label="legacy"))
        assert row.says in str(refusal.value)
        assert tokens.pairs() == held
        assert_name_is_free(house)

    @pytest.mark.parametrize("sentence", UNFIT)
    def test_it_is_refused_as_a_next_version(self, house: House, tokens: MemoryTokens, sentence: str) -> None:
        row = UNFIT[sentence]
        house.create()
        for changes in row.pairs:
            tokens.put(some_pair(**changes))
        with pytest.raises(row.error):
            house.lifecycle.prepare(ADMIN, KEY, validity=UNLIMITED, selector=KeyPairSelector(label="legacy"))
        assert house.store.key(KEY).in_state(VersionState.PENDING) is None
        assert house.prepare().in_state(VersionState.NEXT) is not None

    def test_a_pair_that_is_in_use(self, house: House, tokens: MemoryTokens) -> None:
        tokens.put(some_pair())
        house.lifecycle.adopt(ADMIN, asked("first"), SELECTORS["by label"])
        with pytest.raises(PairInUse):
            house.lifecycle.adopt(ADMIN, asked("second"), SELECTORS["by label"])
        assert house.store.key("first").active is not None
        assert house.create("second").active is not None

    def test_a_pair_that_was_generated_here(self, house: House) -> None:
        house.create("first")
        with pytest.raises(PairInUse):
            house.lifecycle.adopt(ADMIN, asked("second"), KeyPairSelector(label="first-v1"))

    @pytest.mark.parametrize("verb", ["find_key", "sign", "has_key"])
    @pytest.mark.parametrize(
        "error", [TokenUnavailable(token="one"), DeadlineExceeded(token="one")], ids=lambda e: e.code
    )
    def test_a_token_that_goes_away_leaves_no_trace_of_an_adoption(
        self, house: House, tokens: MemoryTokens, verb: str, error: TokenError
    ) -> None:
        tokens.put(some_pair())

        def fail_once_recorded() -> None:
            if house.store.all_keys():
                raise error

        with tokens.at(verb, fail_once_recorded):
            if verb == "has_key":
                # Who holds the pair is found out later; it signed, so it is there.
                assert house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"]).key.active is not None
                return
            with pytest.raises(type(error)):
                house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert house.states() == [VersionState.DESTROYED]
        assert_name_is_free(house)

    def test_a_pair_that_is_exchanged_meanwhile(self, house: House, tokens: MemoryTokens) -> None:
        tokens.put(some_pair())
        lookups: list[None] = []

        def exchange() -> None:
            lookups.append(None)
            if len(lookups) == 2:
                tokens.remove(b"\xab\xcd")
                tokens.put(some_pair(key_id=b"\x55"))

        with tokens.at("find_key", exchange), pytest.raises((KeyNotInToken, PairNotSuitable)):
            house.lifecycle.adopt(ADMIN, asked(), SELECTORS["by label"])
        assert house.states() == [VersionState.DESTROYED]
