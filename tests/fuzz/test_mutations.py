"""Random changes of the corpus, without a fuzzer: always run, and always the same changes."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, private_key, public_pem
from tests.support.layers import LAYERS
from tests.support.rows import slow_but
from verifier import Evidence, VerificationKey
from verifier.errors import KeyLoadError

from . import budget, layers, target
from .mutate import mutated

ROUNDS = 1500
SEEDS = 2


@pytest.mark.parametrize(
    ("number", "rounds"),
    [(SEEDS, ROUNDS // 15), *(pytest.param(number, ROUNDS, marks=pytest.mark.slow) for number in range(SEEDS))],
)
def test_random_changes(number: int, rounds: int) -> None:
    rng = random.Random(number)
    artifacts = [seed[1:] for seed in target.seeds() if seed[1:]]
    for _ in range(rounds):
        options = bytes([rng.choice(target.OPTIONS)])
        target.check(options + mutated(rng.choice(artifacts), rng.choice(artifacts), rng))


@pytest.mark.parametrize("kind", [KeyKind.P256, KeyKind.RSA_2048, KeyKind.ED25519], ids=lambda kind: kind.value)
def test_random_changes_of_a_key(kind: KeyKind) -> None:
    rng = random.Random(kind.value)
    public = private_key(kind).public_key()
    pem = public_pem(private_key(kind))
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for _ in range(ROUNDS):
        with suppress(KeyLoadError):
            VerificationKey.from_pem(mutated(pem, pem, rng))
        changed = mutated(der, der, rng)
        with suppress(KeyLoadError):
            assert VerificationKey.from_spki(changed).spki == spki_by_another_reader(changed)


def spki_by_another_reader(der: bytes) -> bytes:
    """The key's canonical form, by a reader that this project did not write; raises where it refuses the key."""
    return load_der_public_key(der).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("name", layers.NAMES)
def test_random_changes_of_what_a_layer_reads(name: str) -> None:
    rng = random.Random(name)
    options = bytes([target.layer_option(name)])
    honest = layers.HONEST[name]
    for _ in range(ROUNDS):
        target.check(options + mutated(honest, honest, rng))


@pytest.mark.parametrize("name", layers.NAMES)
def test_a_layer_accepts_its_honest_seed(name: str) -> None:
    read, _ = LAYERS[name]
    assert read(layers.HONEST[name], target.LIMITS)


def test_another_reading_of_a_layer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layers._OTHERS, "gzip", len)
    with pytest.raises(layers.ReadDifferently):
        target.check(bytes([target.layer_option("gzip")]) + layers.HONEST["gzip"])


@pytest.mark.parametrize("bound", ["SECONDS", "MEMORY_BYTES"])
def test_an_input_over_its_budget_is_noticed(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, bound, -1)
    with pytest.raises(budget.TooDear):
        target.check(b"\0x")


@pytest.mark.parametrize("nth", slow_but({12}, [12, 1]))
def test_every_seed_as_it_is(nth: int) -> None:
    for seed in itertools.islice(target.seeds(), 0, None, nth):
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
