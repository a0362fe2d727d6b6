"""Making a pair when the token errs or is at fault: what is made is strict, or is not left behind."""

from __future__ import annotations

import pytest
from pkcs11 import exceptions as p11

from hsm import Algorithm
from hsm.errors import AlgorithmUnsupported, TokenFull, TokenReadOnly, TokenStoreFailed, TokenUnavailable
from hsm.worker import key_pairs
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim

HEALTHY_WITHIN = 8.0


def test_a_pair_that_could_be_taken_out_is_removed_again(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    shim.say("C_GenerateKeyPair loose")
    with pytest.raises(AlgorithmUnsupported):
        make_key(pool)
    shim.say()
    assert pool.find_keys("demo") == ()
    make_key(pool)
    assert not pool.find_keys("demo")[0].extractable


def test_a_pair_that_is_refused_once_is_made_as_strictly(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    shim.say("C_GenerateKeyPair once 0x5")
    make_key(pool)
    (found,) = pool.find_keys("demo")
    assert (found.extractable, found.sensitive) == (False, True)


MAKING = {
    "a token that is full": (0x31, TokenFull),
    "a token that is write-protected": (0xE2, TokenReadOnly),
    "a kind of key that the token does not make": (0x70, AlgorithmUnsupported),
    "a size of key that the token does not make": (0x62, AlgorithmUnsupported),
    "a token that fails": (0x30, TokenUnavailable),
    "a store that is full, as SoftHSM says it": (0x5, TokenStoreFailed),
    "a store that fails, as others say it": (0x6, TokenStoreFailed),
}


@pytest.mark.parametrize("row", MAKING)
def test_why_a_pair_is_not_made(shim: Shim, open_pool: OpenPool, row: str) -> None:
    value, expected = MAKING[row]
    pool = open_pool(shim.hsm.config)
    shim.say(f"C_GenerateKeyPair return {value:#x}")
    with pytest.raises(expected) as refused:
        make_key(pool)
    assert refused.value.token == "demo"
    assert (refused.value.retry_after is None) is (expected is not TokenUnavailable)
    shim.say()
    assert pool.wait_ready(HEALTHY_WITHIN)
    assert make_key(pool)


def test_what_a_refused_attempt_left_is_removed_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[object] = []
    attempts: list[int] = []

    class Half:
        def destroy(self) -> None:
            left.remove(self)

    def made_by_half(*_: object) -> None:
        attempts.append(len(left))
        left.append(Half())
        raise p11.GeneralError

    monkeypatch.setattr(key_pairs, "objects", lambda *_: [])
    monkeypatch.setattr(key_pairs, "key_objects", lambda *_: list(left))
    monkeypatch.setattr(key_pairs, "_made", made_by_half)
    with pytest.raises(p11.GeneralError):
        key_pairs.generate(None, Algorithm.ECDSA_P256, b"1", "label")
    assert (attempts, left) == ([0, 0, 0], [])
