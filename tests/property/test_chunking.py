"""A reader's events do not depend on how the bytes are cut: whole, byte by byte, or at random."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from operator import attrgetter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.artifacts.corpus import CORPUS, Case
from tests.support.rows import slow_but, slow_but_every
from verifier import ArtifactReader, PayloadData, VerificationError

BYTE_BY_BYTE_LIMIT = 64 * 1024
ODD_STEP = 511
"""Longer rows, of which there are a few of a mebibyte, are cut into pieces that fit no tar block."""
NOT_FOR_A_READER = {"signature-invalid", "signature-encoding-invalid", "unsigned", "der-signature-length-refused"}
"""What only a verifier decides: a reader has no keys."""
REFUSED = [case for case in CORPUS if not case.accepted]

Told = tuple[list[object], VerificationError | None]


def told(chunks: Iterable[bytes]) -> Told:
    """The events of a reader that is fed with `chunks`, and the error that ended them.

    Payload data are joined per file, which is the one thing that may depend on the cuts.
    """
    reader = ArtifactReader()
    events: list[object] = []
    try:
        for chunk in chunks:
            events += [_copied(event) for event in reader.feed(chunk)]
        events += [_copied(event) for event in reader.finish()]
    except VerificationError as error:
        return _joined(events), error
    return _joined(events), None


def _copied(event: object) -> object:
    return (event.name, bytes(event.data)) if isinstance(event, PayloadData) else event


def _joined(events: list[object]) -> list[object]:
    joined: list[object] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, tuple) and isinstance(last, tuple) and last[0] == event[0]:
            joined[-1] = (last[0], last[1] + event[1])
        else:
            joined.append(event)
    return joined


@functools.cache
def built(case: Case) -> bytes:
    """The row's bytes, the same at each call: some rows draw a signature."""
    return case.recipe.build()


@functools.cache
def told_whole(case: Case) -> Told:
    """What the reader says of the row in one piece."""
    return told([built(case)])


@pytest.mark.parametrize("case", slow_but_every(12, CORPUS), ids=attrgetter("name"))
def test_byte_by_byte_equals_whole(case: Case) -> None:
    artifact = built(case)
    step = 1 if len(artifact) <= BYTE_BY_BYTE_LIMIT else ODD_STEP

    assert told(artifact[at : at + step] for at in range(0, len(artifact), step)) == told_whole(case)


@pytest.mark.parametrize("examples", slow_but({30}, [30, 200]))
def test_cut_at_random_equals_whole(examples: int) -> None:
    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=examples)
    @given(case=st.sampled_from(CORPUS), data=st.data())
    def equals_whole(case: Case, data: st.DataObject) -> None:
        artifact = built(case)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(artifact)), max_size=20), label="cuts"))
        edges = [0, *cuts, len(artifact)]

        chunks = [artifact[start:stop] for start, stop in itertools.pairwise(edges)]

        assert told(chunks) == told_whole(case)

    equals_whole()


@pytest.mark.parametrize("case", REFUSED[::10], ids=attrgetter("name"))
def test_a_reader_stays_broken(case: Case) -> None:
    reader = ArtifactReader()
    first = first_error(reader, built(case))

    if first is None:
        assert case.code in NOT_FOR_A_READER
        return
    for more in (b"", b"version", built(CORPUS[0])):
        with pytest.raises(VerificationError) as again:
            reader.feed(more)
        assert again.value is first


def first_error(reader: ArtifactReader, artifact: bytes) -> VerificationError | None:
    """Feed all of it; the error, if any."""
    try:
        while reader.feed(artifact):
            artifact = b""
        reader.finish()
    except VerificationError as error:
        return error
    return None
