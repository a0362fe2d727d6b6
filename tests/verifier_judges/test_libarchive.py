"""libarchive, with which C++ clients open all three archives of an artifact, beside our own reading of them.

Its program `bsdtar` looks for compressed data at the start of each file as those clients do, so it finds the second
archives that the Go family does not see.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.artifacts import Compression as Written
from tests.artifacts.corpus import CORPUS, Case
from tests.artifacts.corpus.second_archives import OTHER, WHOLE
from tests.support.rows import slow_but_every
from verifier import Compression, Limits
from verifier._inflate import Inflater
from verifier._tar import TarReader
from verifier._tar_member import Member

from .mutants import mutant
from .test_generated import evidence_of

PROGRAM = "bsdtar"
SECONDS = 30
ROUNDS, FEWEST_JUDGED = 300, 30
MANY_ROUNDS, FEWEST_JUDGED_OF_MANY = 2000, 200
LIMITS = Limits()

pytestmark = [
    pytest.mark.judge,
    pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM}, of the package libarchive-tools, is missing"),
]


def by_libarchive(archive: bytes) -> bytes:
    """The contents of all members, one after another."""
    done = subprocess.run([PROGRAM, "-xOf", "-"], input=archive, capture_output=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


def members(archive: bytes) -> dict[str, bytes]:
    """The members of an archive as we read it."""
    found: dict[str, bytes] = {}
    name = ""
    for item in TarReader(part="an archive", limits=LIMITS).feed(memoryview(archive)):
        if isinstance(item, Member):
            name = item.name
            found[name] = b""
        elif isinstance(item, memoryview):
            found[name] += item
    return found


def inflated(name: str, stored: bytes) -> bytes:
    """A stored member, decompressed as its suffix says."""
    compression = next(each for each in Compression if each.value == name.partition(".tar")[2])
    inflater = Inflater(member=name, compression=compression, limits=LIMITS)
    return b"".join(map(bytes, [*inflater.feed(memoryview(stored)), *inflater.finish()]))


def archives(artifact: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """The three archives: name, the bytes as stored, and the contents of all members as we read them."""
    outer = members(artifact)
    yield "artifact", artifact, b"".join(outer.values())
    for name, stored in outer.items():
        if ".tar" in name:
            yield name, stored, b"".join(members(inflated(name, stored)).values())


def assert_read_alike(artifact: bytes) -> None:
    for name, stored, contents in archives(artifact):
        assert by_libarchive(stored) == contents, name


@pytest.mark.parametrize(
    "case", slow_but_every(4, [case for case in CORPUS if case.accepted]), ids=lambda case: case.name
)
def test_what_the_corpus_accepts_is_read_alike(case: Case) -> None:
    assert_read_alike(case.recipe.build())


@pytest.mark.parametrize(
    ("rounds", "fewest"),
    [(ROUNDS, FEWEST_JUDGED), pytest.param(MANY_ROUNDS, FEWEST_JUDGED_OF_MANY, marks=pytest.mark.slow)],
)
def test_what_is_accepted_of_generated_artifacts_is_read_alike(rounds: int, fewest: int) -> None:
    rng = random.Random(f"libarchive {rounds}")
    accepted = [
        made.artifact
        for made in (mutant(rng, tuple(Written)) for _ in range(rounds))
        if evidence_of(made.artifact, made.key)
    ]

    for artifact in accepted:
        assert_read_alike(artifact)

    assert len(accepted) >= fewest


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: case.name)
def test_a_second_archive_is_what_libarchive_reads(case: Case) -> None:
    stored = [member.content for member in case.recipe.members() if ".tar" in member.name]

    read = [by_libarchive(archive) for archive in (case.recipe.build(), *stored) if isinstance(archive, bytes)]

    assert b"".join(members(OTHER).values()) in read
