"""Taking a pair from outside when the token errs, is at fault or cannot: it is there as it should be, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hsm import Algorithm, KeyMaterial, TokenPool
from hsm.errors import (
    AlgorithmUnsupported,
    ImportUnsupported,
    KeyExists,
    KeyHalvesDiffer,
    TokenError,
    TokenFull,
    TokenReadOnly,
    TokenStoreFailed,
    TokenUnavailable,
)
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim
from tests.support.key_files import key_material, private_key, spki

P256, RSA, ED = Algorithm.ECDSA_P256, Algorithm.RSA_2048, Algorithm.ED25519
UNWRAPPING = 0x210A


def take(pool: TokenPool, given: KeyMaterial, *, key_id: bytes = b"\x07", label: str = "outside") -> None:
    pool.import_pair(given, key_id=key_id, label=label, token="demo", timeout=20)


REFUSED = {
    "no mechanism that unwraps": (f"C_GetMechanismList hide {UNWRAPPING:#x}", ImportUnsupported),
    "unwrapping is not there": ("C_UnwrapKey return 0x54", ImportUnsupported),
    "unwrapping is not allowed": ("C_UnwrapKey return 0x70", ImportUnsupported),
    "a key that could be taken out": ("C_UnwrapKey loose", AlgorithmUnsupported),
    "a token that is full": ("C_UnwrapKey return 0x31", TokenFull),
    "a token that is write-protected": ("C_UnwrapKey return 0xe2", TokenReadOnly),
    "a store that is full": ("C_UnwrapKey return 0x6", TokenStoreFailed),
    "a token that fails": ("C_UnwrapKey return 0x30", TokenUnavailable),
}


@pytest.mark.parametrize("row", REFUSED)
def test_why_a_pair_is_not_taken_and_that_nothing_of_it_is_left(shim: Shim, open_pool: OpenPool, row: str) -> None:
    behaviour, expected = REFUSED[row]
    shim.say(behaviour)
    pool = open_pool(shim.hsm.config)
    with pytest.raises(expected) as refused:
        take(pool, key_material(P256))
    assert type(refused.value) is expected
    assert refused.value.token == "demo"
    shim.say()
    assert pool.wait_ready(8.0)
    assert pool.find_keys("demo") == ()


def test_a_pair_that_is_refused_once_in_passing_is_taken_as_strictly(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    shim.say("C_UnwrapKey once 0x5")
    take(pool, key_material(P256))
    (found,) = pool.find_keys("demo")
    assert (found.extractable, found.sensitive) == (False, True)


def test_a_token_that_unwraps_nothing_takes_no_ed25519_key_in_plain_either(shim: Shim, open_pool: OpenPool) -> None:
    shim.say(f"C_GetMechanismList hide {UNWRAPPING:#x}")
    pool = open_pool(shim.hsm.config)
    with pytest.raises(ImportUnsupported):
        take(pool, key_material(ED))
    assert pool.find_keys("demo") == ()


@pytest.mark.parametrize("algorithm", [P256, RSA, ED])
def test_a_private_key_that_is_not_the_public_keys_is_removed_again(
    shim: Shim, open_pool: OpenPool, algorithm: Algorithm
) -> None:
    pool = open_pool(shim.hsm.config)
    other = replace(key_material(algorithm), spki=spki(private_key(algorithm, 1)))
    with pytest.raises(KeyHalvesDiffer):
        take(pool, other)
    assert pool.find_keys("demo") == ()


@pytest.mark.parametrize("names", [{"key_id": b"\x01"}, {"label": "key"}], ids=["identifier", "label"])
def test_what_is_there_already_stays(shim: Shim, open_pool: OpenPool, names: dict[str, object]) -> None:
    pool = open_pool(shim.hsm.config)
    pinned = make_key(pool)
    with pytest.raises(KeyExists):
        take(pool, key_material(P256), **names)  # type: ignore[arg-type]
    (found,) = pool.find_keys("demo")
    assert found.spki == pinned.spki


def test_no_error_and_no_shown_value_holds_the_key(shim: Shim, open_pool: OpenPool) -> None:
    pool = open_pool(shim.hsm.config)
    given = key_material(P256)
    shim.say("C_UnwrapKey return 0x70")
    with pytest.raises(TokenError) as refused:
        take(pool, given)
    assert repr(given.private)[2:30] not in repr(given) + str(refused.value) + repr(refused.value)
