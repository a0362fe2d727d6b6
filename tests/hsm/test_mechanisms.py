"""What a token can do, from the names of its mechanisms; the names are those that its process signs with."""

from __future__ import annotations

import pytest
from pkcs11 import Mechanism

from hsm.algorithms import Algorithm
from hsm.mechanisms import GENERATION, SIGNING, can_generate, can_sign
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
