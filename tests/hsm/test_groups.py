"""How many answers go out together: few, until a token was seen to be fast with keys of that kind."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from hsm import Algorithm
from hsm.errors import KeyNotFound
from hsm.protocol.signing import Batch, KeyReference, Outcome, PayloadKind, pack_key
from hsm.worker.groups import FAST, FEW, MAX_GROUP, Groups

SIGNED = b"signature"
QUICK, TARDY = 0.9 * FAST, 1.1 * FAST


def batch(*algorithms: Algorithm) -> Batch:
    """One item for each of these kinds of keys."""
    keys = tuple(pack_key(KeyReference(algorithm, bytes(32), algorithm.encode())) for algorithm in algorithms)
    return Batch(keys, tuple((number, PayloadKind.DIGEST, bytes(32)) for number in range(len(keys))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Groups that were answered, each with its seconds for an answer; then the size of those of ``asked``."""

    seen: tuple[tuple[Batch, float, Outcome], ...]
    asked: Batch
    size: int


P256, ED25519, RSA = batch(Algorithm.ECDSA_P256), batch(Algorithm.ED25519), batch(Algorithm.RSA_2048)
BOTH = batch(Algorithm.ECDSA_P256, Algorithm.ED25519)
ROWS = {
    "nothing is known of a new token": Row(seen=(), asked=P256, size=FEW),
    "it was fast": Row(seen=((P256, QUICK, SIGNED),), asked=P256, size=MAX_GROUP),
    "it was slow": Row(seen=((P256, TARDY, SIGNED),), asked=P256, size=FEW),
    "it was fast before it was slow": Row(
        seen=((P256, QUICK, SIGNED), (P256, TARDY, SIGNED)), asked=P256, size=MAX_GROUP
    ),
    "it refused, which is always fast": Row(seen=((P256, QUICK, KeyNotFound()),), asked=P256, size=FEW),
    "it was fast with another kind": Row(seen=((ED25519, QUICK, SIGNED),), asked=P256, size=FEW),
    "it is fast with one kind of two": Row(seen=((P256, QUICK, SIGNED),), asked=BOTH, size=FEW),
    "it is fast with both": Row(seen=((P256, QUICK, SIGNED), (ED25519, QUICK, SIGNED)), asked=BOTH, size=MAX_GROUP),
    "which of two was fast is not known": Row(seen=((BOTH, QUICK, SIGNED),), asked=P256, size=FEW),
    "RSA is sent one by one, however fast": Row(seen=((RSA, QUICK, SIGNED),), asked=RSA, size=1),
    "RSA slows down who is fast": Row(
        seen=((P256, QUICK, SIGNED),), asked=batch(Algorithm.ECDSA_P256, Algorithm.RSA_4096), size=1
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_group_is_as_large_as_it_is_known_to_be_fast(row: str) -> None:
    now = [100.0]
    groups = Groups(lambda: now[0])
    for signed, seconds, outcome in ROWS[row].seen:
        began = groups.clock()
        now[0] += seconds * FEW
        groups.learn(signed, [(number, outcome) for number in range(FEW)], began=began)
    assert groups.size(ROWS[row].asked) == ROWS[row].size


def test_one_refusal_among_signatures_says_nothing_of_how_fast_they_are() -> None:
    groups = Groups(lambda: 100.0)
    groups.learn(P256, [(0, SIGNED), (1, KeyNotFound())], began=100.0)
    assert groups.size(P256) == FEW
