"""What this project's verifier accepts of generated artifacts, mender-artifact accepts, and reads the same in it.

The other way round it need not: it is the laxer family.
"""

from __future__ import annotations

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts import ArtifactBuilder, KeyKind, Script, Stage, private_key, public_pem
from tests.artifacts.corpus import CORPUS, Case
from tests.support.rows import slow_but, slow_but_every
from verifier import Evidence, TrustStore, VerificationError, verify

from . import judges
from .conftest import Judge
from .facts import expected, printed
from .mutants import KINDS, mutant

pytestmark = pytest.mark.judge

FEWEST_JUDGED = 0.1
"""Of all that are made; with fewer the test would say little."""
TRUST = {kind: TrustStore.from_pem(public_pem(private_key(kind))) for kind in KINDS}


def evidence_of(artifact: bytes, key: KeyKind) -> Evidence | None:
    """By this project's verifier."""
    try:
        return verify(io.BytesIO(artifact), trust=TRUST[key], hash_in_thread=False)
    except VerificationError:
        return None


def read_alike(seed: int, rounds: int, judge: Judge, path: Path) -> None:
    rng = random.Random(seed)
    judged = 0
    for _ in range(rounds):
        made = mutant(rng)
        evidence = evidence_of(made.artifact, made.key)
        if evidence is None:
            continue
        judged += 1
        opinion = judge(made.artifact, made.key)
        assert opinion.accepts, opinion.said
        path.write_bytes(made.artifact)
        assert printed(str(path)) == expected(evidence)
    assert judged >= FEWEST_JUDGED * rounds


@pytest.mark.parametrize("rounds", slow_but({60}, [60, 300]))
def test_what_is_accepted_is_accepted_and_read_alike_by_mender_artifact(
    rounds: int, mender_artifact: Judge, tmp_path: Path
) -> None:
    read_alike(0, rounds, mender_artifact, tmp_path / "read.mender")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_and_many_more(seed: int, mender_artifact: Judge, tmp_path: Path) -> None:
    read_alike(seed, 2000, mender_artifact, tmp_path / "read.mender")


READ_BY_BOTH = [case for case in CORPUS if case.accepted and case.tool_accepts]


@pytest.mark.skipif(judges.missing_tool() is not None, reason=judges.missing_tool() or "")
@pytest.mark.parametrize("case", slow_but_every(6, READ_BY_BOTH), ids=lambda case: case.name)
def test_rows_of_the_corpus_that_both_accept_are_read_alike(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "read.mender"
    path.write_bytes(artifact := case.recipe.build())
    trust = TrustStore.from_pem(public_pem(private_key(case.trusted)))

    assert printed(str(path)) == expected(verify(io.BytesIO(artifact), trust=trust))


SEEN = ArtifactBuilder(key=private_key(KeyKind.P256))
OTHERS = {
    "name": replace(SEEN, name="older-release"),
    "devices": replace(SEEN, device_types=("corpus-device", "other-device")),
    "payload type": replace(SEEN, payload_type="other-module"),
    "scripts": replace(SEEN, scripts=(Script(name="ArtifactInstall_Enter_00"),)),
    "files": replace(SEEN, files=SEEN.files[:1]),
    "depends": SEEN.edited(Stage.TYPE_INFO, lambda info: {**info, "artifact_depends": {"a": "b"}}),
}


@pytest.mark.skipif(judges.missing_tool() is not None, reason=judges.missing_tool() or "")
@pytest.mark.parametrize("fact", OTHERS)
def test_another_reading_is_noticed(fact: str, tmp_path: Path) -> None:
    path = tmp_path / "read.mender"
    path.write_bytes(OTHERS[fact].build())

    assert printed(str(path)) != expected(verify(io.BytesIO(SEEN.build()), trust=TRUST[KeyKind.P256]))
