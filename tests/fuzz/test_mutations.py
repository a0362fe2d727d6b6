"""Random changes of the corpus, without a fuzzer: always run, and always the same changes."""

from __future__ import annotations

import random

import pytest

from tests.artifacts import ArtifactBuilder, Compression
from verifier import Evidence

from . import target

ROUNDS = 3000
SEEDS = 2


def mutated(seed: bytes, other: bytes, rng: random.Random) -> bytes:
    """`seed` after one to eight changes, some of which take bytes from `other`."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 1, 1, 4, 16, 512)), len(data) - at)
        start = rng.randrange(len(other))
        change = rng.randrange(6)
        if change == 0:
            del data[at : at + length]
        elif change == 1:
            data[at:at] = other[start : start + length]
        elif change == 2:
            data[at : at + length] = rng.randbytes(length)
        elif change == 3:
            data[at : at + length] = data[at : at + length].swapcase()
        elif change == 4:
            data[at : at + length] = bytes(length)
        elif length:
            data[at] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("number", range(SEEDS))
def test_random_changes(number: int) -> None:
    rng = random.Random(number)
    artifacts = [seed[1:] for seed in target.seeds() if seed[1:]]
    for _ in range(ROUNDS):
        options = bytes([rng.choice(target.OPTIONS)])
        target.check(options + mutated(rng.choice(artifacts), rng.choice(artifacts), rng))


def test_every_seed_as_it_is() -> None:
    for seed in target.seeds():
        target.check(seed)


@pytest.mark.parametrize("options", [target.REPAIR, 0], ids=["repaired", "as it is"])
def test_the_target_reaches_acceptance(options: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that refuses everything would prove nothing."""
    accepted = []
    monkeypatch.setattr(target, "_check_evidence", lambda evidence, **_: accepted.append(evidence))
    plain = ArtifactBuilder(key=target.KEY).compressed(Compression.NONE)

    target.check(bytes([options]) + plain.build())

    assert len(accepted) == 1


def test_a_repaired_artifact_is_accepted_with_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    accepted: list[Evidence] = []
    monkeypatch.setattr(target, "_check_evidence", lambda evidence, **_: accepted.append(evidence))
    plain = ArtifactBuilder(key=target.KEY).compressed(Compression.NONE).build()

    target.check(bytes([target.REPAIR]) + plain.replace(b"corpus-release", b"CORPUS-RELEASE"))

    assert accepted[0].artifact_name == "CORPUS-RELEASE"


def test_a_broken_invariant_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "signed_manifests", frozenset)
    plain = ArtifactBuilder(key=target.KEY).build()

    with pytest.raises(target.InvariantBroken):
        target.check(b"\0" + plain)
