"""What a token can do, from the names of its mechanisms; the names are those that its process signs with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pkcs11 import Attribute, Mechanism, ObjectClass

from hsm.algorithms import Algorithm
from hsm.errors import AlgorithmUnsupported
from hsm.mechanisms import GENERATION, SIGNING, can_generate, can_sign
from hsm.protocol.signing import KeyReference
from hsm.worker import signing
from hsm.worker.signing import plan


@pytest.mark.parametrize("algorithm", Algorithm)
def test_the_names_are_those_that_the_process_chooses_from(algorithm: Algorithm) -> None:
    chosen = plan(algorithm, frozenset(int(mechanism) for mechanism in Mechanism))
    assert SIGNING[algorithm] == {
        mechanism.name for mechanism in (chosen.by_digest, chosen.by_message) if mechanism is not None
    }


@pytest.mark.parametrize("algorithm", Algorithm)
def test_any_one_of_them_is_enough_and_none_is_not(algorithm: Algorithm) -> None:
    for table, can in ((SIGNING, can_sign), (GENERATION, can_generate)):
        for name in table[algorithm]:
            assert can(algorithm, {name, "SHA256"})
        assert not can(algorithm, {"SHA256", "AES_GCM"})
        assert not can(algorithm, ())


UNUSABLE: dict[str, tuple[object, bool, str]] = {
    "a key that may not sign": (SimpleNamespace(), False, "CKA_SIGN is false"),
    "a key that wants a PIN for each signature": (
        SimpleNamespace(sign=bytes), True, "CKA_ALWAYS_AUTHENTICATE is true",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", UNUSABLE)
def test_a_key_that_cannot_sign_by_itself_is_refused(monkeypatch: pytest.MonkeyPatch, sentence: str) -> None:
    private, always, reason = UNUSABLE[sentence]
    monkeypatch.setattr(
        signing, "objects", lambda _, t: [private] if t[Attribute.CLASS] is ObjectClass.PRIVATE_KEY else []
    )
    monkeypatch.setattr(signing, "public_key", lambda _: (None, None))
    monkeypatch.setattr(signing, "attributes", lambda *_: {Attribute.ALWAYS_AUTHENTICATE: always})
    with pytest.raises(AlgorithmUnsupported) as refused:
        signing.load(None, KeyReference(Algorithm.ECDSA_P256, bytes(32), b"id"), frozenset())
    assert refused.value.reason == reason
