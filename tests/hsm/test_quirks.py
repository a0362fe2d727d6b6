"""Each quirk that the code acts on, through a module that behaves so: a pair is made, signs, and is found again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from hsm import Algorithm, RestartPolicy
from hsm.errors import PinRejected, TokenUnavailable
from hsm.quirks import QUIRKS, Quirk
from tests.hsm.conftest import OpenPool, make_key
from tests.hsm.shim import Shim

PAGE = (Path(__file__).parents[2] / "docs/hsms.md").read_text(encoding="utf-8")
CKR_FUNCTION_FAILED, CKR_PIN_INCORRECT = 0x6, 0xA0
# A start that fails is not repeated within the test.
ONCE = RestartPolicy(initial=120.0, maximum=120.0, healthy_after=5.0, max_wait=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """When the module begins to behave so. None of the three: SoftHSM itself does."""

    opening: str = ""
    making: str = ""
    signing: str = ""
    algorithm: Algorithm = Algorithm.ECDSA_P256


ROWS = {
    Quirk.CANNOT_LOCK: Row(opening="C_Initialize return 0xa"),
    Quirk.NO_READ_ONLY_SESSIONS: Row(opening="C_OpenSession readonly 0x6"),
    Quirk.FEW_SESSIONS: Row(opening="C_OpenSession limit 3"),
    Quirk.USES_NOT_NAMED: Row(making="C_GenerateKeyPair once 0xd1"),
    Quirk.PASSING_REFUSALS: Row(making="C_GenerateKeyPair once 0x5"),
    Quirk.WRAPPED_POINTS: Row(),
    Quirk.DER_SIGNATURES: Row(signing="C_Sign der"),
    Quirk.HASHING_MECHANISMS_ONLY: Row(opening="C_GetMechanismList hide 0x1", algorithm=Algorithm.RSA_2048),
    Quirk.LOSS_IN_OTHER_WORDS: Row(signing="C_Sign once 0x5"),
}
# Through the real module, in a file of its own.
ELSEWHERE = {Quirk.OWN_FUNCTION_LISTS: "test_p11_kit.py"}


@pytest.mark.parametrize("quirk", ROWS)
def test_a_module_that_behaves_so_makes_pairs_that_sign(shim: Shim, open_pool: OpenPool, quirk: Quirk) -> None:
    row = ROWS[quirk]
    shim.say(*filter(None, [row.opening]))
    pool = open_pool(shim.hsm.config)
    shim.say(*filter(None, [row.opening, row.making]))
    key = make_key(pool, algorithm=row.algorithm)
    shim.say(*filter(None, [row.opening, row.signing]))
    # The pool gives out what the pinned public key verified.
    assert len(pool.sign(key, b"a message")) == row.algorithm.signature_size
    assert pool.find_key("demo", key_id=key.key_id).spki == key.spki


def test_a_module_without_read_only_sessions_is_told_the_pin_once(shim: Shim, open_pool: OpenPool) -> None:
    shim.say(f"C_OpenSession readonly {CKR_FUNCTION_FAILED:#x}")
    open_pool(shim.hsm.config)
    assert shim.logins == 1


@pytest.mark.parametrize("value", [CKR_FUNCTION_FAILED, CKR_PIN_INCORRECT], ids=["CKR_FUNCTION_FAILED", "a wrong PIN"])
def test_a_login_that_fails_is_no_reason_to_try_the_pin_in_another_session(
    shim: Shim, open_pool: OpenPool, value: int
) -> None:
    shim.say(f"C_Login return {value:#x}")
    pool = open_pool(shim.hsm.config, ready=None, policy=ONCE)
    with pytest.raises(PinRejected if value == CKR_PIN_INCORRECT else TokenUnavailable):
        pool.require_ready("demo", timeout=20)
    assert shim.logins == 1


def test_every_quirk_has_a_row_and_stands_in_the_page() -> None:
    assert {*ROWS, *ELSEWHERE} == set(Quirk) == set(QUIRKS)
    assert all((Path(__file__).parent / name).is_file() for name in ELSEWHERE.values())
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", PAGE, flags=re.MULTILINE))
    assert set(told) == {quirk.value for quirk in Quirk}
    for quirk, conduct in QUIRKS.items():
        assert f"{conduct.shows} | {conduct.answer}" in told[quirk.value]
        assert all(f"\n### {name}\n" in PAGE and name in told[quirk.value] for name in conduct.seen_in)
