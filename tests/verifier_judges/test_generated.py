"""Artifacts that nobody thought of: each stage of a correct one is changed at random and then signed.

Whatever of it this project's verifier accepts, mender-artifact must accept. (The other way round it need not: it
is the laxer family.)
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import pytest

from tests.artifacts import ArtifactBuilder, Compression, KeyKind, Script, Stage, private_key, public_pem
from tests.artifacts.tarwriter import BLOCK, Field, checksum
from tests.fuzz.mutate import mutated
from verifier import TrustStore, VerificationError, Verifier

from .conftest import Judge

pytestmark = [pytest.mark.judge, pytest.mark.slow]

ROUNDS = 1500
SEEDS = 2
FEWEST_JUDGED = 100
"""Of one seed; with fewer the test would say little."""

KEY = private_key(KeyKind.P256)
TRUST = TrustStore.from_pem(public_pem(KEY))
WORDS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"0", b"-1", b"1.5", b'""', b" ", b"\n", b"\t", b"\r",
    b"\\u0041", b"\\ud800", b"\\n", b"\0", b"\x7f", b"\xc3\xa9", b"\xff", b"1e5", b"12345678901234567890123", b"type",
    b"artifact_provides", b"x", b"rootfs-image", b'"a":"b",', b"  ", b"0000", b".", b"_", b"-", b"/", b"A", b"=",
)  # fmt: skip

Change = Callable[[bytes], bytes]


def words_inserted(rng: random.Random, text: bytes) -> bytes:
    """One or two words put somewhere, or something else changed."""
    if rng.random() < 0.3:
        return mutated(text, text, rng)
    for _ in range(rng.randint(1, 2)):
        at, word = rng.randrange(len(text) + 1), rng.choice(WORDS)
        text = text[:at] + word + text[at + rng.choice((0, 0, len(word))) :]
    return text


def header_field_changed(rng: random.Random, tar: bytes) -> bytes:
    """A byte of a field of one header block, mostly with the block's checksum made right."""
    changed = bytearray(tar)
    blocks = [at for at in range(0, len(tar), BLOCK) if tar[at + 257 : at + 262] == b"ustar"]
    at, field = rng.choice(blocks), rng.choice(list(Field))
    offset, length = field.value
    changed[at + offset + rng.randrange(length)] = rng.choice(b" \x000179\x80\xff-x/")
    if rng.random() < 0.9:
        offset, length = Field.CHECKSUM.value
        changed[at + offset : at + offset + length] = f"{checksum(changed[at : at + BLOCK]):06o}\0 ".encode()
    return bytes(changed)


CHANGES = (
    (Stage.VERSION, words_inserted),
    (Stage.HEADER_INFO_JSON, words_inserted),
    (Stage.TYPE_INFO_JSON, words_inserted),
    (Stage.MANIFEST, words_inserted),
    (Stage.SIGNATURE, words_inserted),
    (Stage.HEADER_TAR, header_field_changed),
    (Stage.PAYLOAD_TAR, header_field_changed),
    (Stage.ARTIFACT, header_field_changed),
    (Stage.PAYLOAD_STORED, words_inserted),
)
RECIPE = ArtifactBuilder(
    key=KEY, scripts=(Script(name="ArtifactReboot_Enter_00_x"),), meta_data=b'{"a":{"b":[1,2.5,null,"x"]}}'
)


def generated(rng: random.Random) -> bytes:
    """A correct artifact but for one stage."""
    stage, change = rng.choice(CHANGES)
    # A stage may be asked for more than once; it must answer the same.
    edit = functools.cache(functools.partial(change, rng))
    return (
        RECIPE.compressed(rng.choice((Compression.NONE, Compression.NONE, Compression.GZIP)))
        .edited(stage, edit)
        .build()
    )


def is_accepted(artifact: bytes) -> bool:
    """By this project's verifier."""
    verifier = Verifier(trust=TRUST, payload_data=False)
    try:
        verifier.feed(artifact)
        verifier.finish()
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_accepted_is_accepted_by_mender_artifact(seed: int, mender_artifact: Judge) -> None:
    rng = random.Random(seed)
    accepted = [artifact for artifact in (generated(rng) for _ in range(ROUNDS)) if is_accepted(artifact)]

    refusals = [
        opinion.said
        for opinion in (mender_artifact(artifact, KeyKind.P256) for artifact in accepted)
        if not opinion.accepts
    ]

    assert len(accepted) >= FEWEST_JUDGED
    assert refusals == []
