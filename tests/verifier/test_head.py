"""``read_head``: what it tells, and that its verdict is the one of bytes that come a few at a time.

In pieces smaller than a block nothing comes whole, so ``in_pieces`` reads every block by the rules. Whatever the two
ways differ in would be a hole: an artifact that one of them signs and the other refuses.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest

from tests.artifacts import ArtifactBuilder, Compression, Script, Stage
from tests.artifacts.corpus import CORPUS, Case
from tests.artifacts.tarwriter import BLOCK
from tests.support.rows import slow_but, slow_but_every
from verifier import (
    ArtifactReader,
    Event,
    HeaderRead,
    Limits,
    ManifestRead,
    SignatureRead,
    VerificationError,
    errors,
    read_head,
)

from .support import SIGNED, UNSIGNED, pieces
from .test_limits import ROWS, bounded

PIECE = 200
RICH = replace(
    UNSIGNED,
    scripts=(Script(name="ArtifactInstall_Enter_00"), Script(name="ArtifactCommit_Leave_10_x", content=b"#" * 700)),
    meta_data=b'{"a":{"b":[1,2.5,"\\u00e4"]},"c":null}',
)
Verdict = tuple[Any, ...]


def end_of_head(artifact: bytes) -> int:
    return read_head(artifact).header_end


def verdict(data: bytes, limits: Limits | None = None) -> Verdict:
    """What ``read_head`` tells, or its error with the facts."""
    try:
        head = read_head(data, limits=limits)
    except VerificationError as error:
        return type(error), error.facts
    return head.manifest, head.header, head.signature, head.manifest_end, head.header_end, head.is_whole_artifact


def in_pieces(data: bytes, limits: Limits | None = None) -> Verdict:
    """The same of a reader that is given ``PIECE`` bytes at a time."""
    reader = ArtifactReader(limits=limits, payload_data=False)
    events: list[Event] = []
    whole = False
    try:
        for piece in pieces(data, PIECE):
            events += reader.feed(piece)
        whole = bool(reader.finish())
    except VerificationError as error:
        cut = isinstance(error, errors.Truncated) and error.part == "artifact"
        if not cut or not any(isinstance(event, HeaderRead) for event in events):
            return type(error), error.facts
    (manifest,) = (event for event in events if isinstance(event, ManifestRead))
    (header,) = (event for event in events if isinstance(event, HeaderRead))
    signature = next((event for event in events if isinstance(event, SignatureRead)), None)
    return manifest.manifest, header.header, signature, manifest.end_offset, header.end_offset, whole


class TestWhatIsTold:
    def test_a_head_names_the_artifact_and_where_its_signature_goes(self) -> None:
        artifact = UNSIGNED.build()
        head = read_head(artifact[: end_of_head(artifact)])
        assert head.header.artifact_name == UNSIGNED.name
        assert head.manifest.raw == UNSIGNED.manifest()
        assert (head.signature, head.signed_already, head.is_whole_artifact) == (None, False, False)
        assert artifact[head.manifest_end :].startswith(b"header.tar.gz\0")
        assert artifact[head.header_end :].startswith(b"data/0000.tar.gz\0")

    def test_a_signature_that_is_there_is_told_with_its_place(self) -> None:
        artifact = SIGNED.build()
        head = read_head(memoryview(artifact)[: end_of_head(artifact)])
        assert head.signature is not None
        assert head.signed_already
        assert artifact[head.signature.start_offset :].startswith(b"manifest.sig\0")
        assert artifact[head.signature.end_offset :].startswith(b"header.tar.gz\0")
        assert head.signature.start_offset == head.manifest_end

    def test_a_whole_artifact_is_told_from_a_head_with_some_payload(self) -> None:
        artifact = SIGNED.build()
        assert read_head(artifact).is_whole_artifact
        assert not read_head(artifact[:-512]).is_whole_artifact
        assert not read_head(artifact[: end_of_head(artifact) + 600]).is_whole_artifact

    def test_what_follows_the_header_is_checked_as_far_as_it_goes(self) -> None:
        artifact = bytearray(SIGNED.compressed(Compression.NONE).build())
        artifact[end_of_head(bytes(artifact)) + BLOCK + BLOCK] ^= 1
        with pytest.raises(errors.DigestMismatch):
            read_head(artifact)

    @pytest.mark.parametrize("size", [0, 1, 511, 512, 1000, 1024, 1536, 2048, 2500])
    def test_what_ends_before_the_header_does_is_refused(self, size: int) -> None:
        with pytest.raises((errors.Truncated, errors.EmptyInput)):
            read_head(RICH.build()[:size])


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("recipe", [SIGNED, UNSIGNED, RICH], ids=["signed", "unsigned", "scripts and meta-data"])
def test_an_honest_head_is_read_in_whole_blocks(
    recipe: ArtifactBuilder, compression: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = recipe.compressed(compression).build()
    head = artifact[: end_of_head(artifact)]
    expected = in_pieces(head)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a block was read by the rules")

    monkeypatch.setattr("verifier._tar_header.parse_block", fail)
    assert verdict(head) == expected


@pytest.mark.parametrize("case", slow_but_every(8, CORPUS), ids=attrgetter("name"))
def test_the_verdict_is_the_same_for_the_corpus(case: Case) -> None:
    artifact = case.recipe.build()
    assert verdict(artifact) == in_pieces(artifact)
    head = artifact[: _data_begins(artifact)]
    assert verdict(head) == in_pieces(head)


@pytest.mark.parametrize("name", ROWS)
def test_the_verdict_is_the_same_at_each_limit(name: str) -> None:
    row = ROWS[name]
    artifact = row.recipe.build()
    for data in (artifact, artifact[: _data_begins(artifact)]):
        for value in (row.enough, row.enough - 1 if row.short is None else row.short):
            limits = bounded(name, value)
            assert verdict(data, limits) == in_pieces(data, limits)


def _data_begins(artifact: bytes) -> int:
    """Where the data member's header block is, as far as one can be seen."""
    return next((at for at in range(0, len(artifact), BLOCK) if artifact.startswith(b"data/0000.tar", at)), 2048)


class Mutants:
    """Artifacts that were changed at one stage, digests made again after it; and heads that were changed on the way."""

    RECIPES = (RICH, SIGNED, RICH.compressed(Compression.NONE), SIGNED.compressed(Compression.NONE))
    STAGES = (
        Stage.VERSION,
        Stage.HEADER_INFO_JSON,
        Stage.TYPE_INFO_JSON,
        Stage.HEADER_TAR,
        Stage.HEADER_STORED,
        Stage.MANIFEST,
    )
    BYTES = b'\0\0 /.,:01278"\\[]{}xLgu\x1f\x8b\x80\xff\n'

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def rebuilt(self, count: int) -> Iterator[bytes]:
        """A rogue writer's: what is changed is covered by the digests, and tar checksums hold."""
        for _ in range(count):
            recipe, stage = self._chance.choice(self.RECIPES), self._chance.choice(self.STAGES)
            edit = self._changed_archive if stage is Stage.HEADER_TAR else self._changed
            yield recipe.edited(stage, edit).build()

    def on_the_way(self, count: int) -> Iterator[bytes]:
        """Somebody's who changes the outer archive: header fields with their checksum, or bytes anywhere."""
        artifacts = [recipe.build() for recipe in self.RECIPES]
        heads = [artifact[: _data_begins(artifact)] for artifact in artifacts] + artifacts
        for _ in range(count):
            head = self._chance.choice(heads)
            yield self._changed_archive(head) if self._chance.random() < 0.8 else self._changed(head)

    def _changed(self, content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            at = self._chance.randrange(len(changed) + 1)
            match self._chance.randrange(4):
                case 0:
                    changed[at:at] = bytes([self._chance.choice(self.BYTES)])
                case 1:
                    del changed[at : at + self._chance.choice((1, 2, BLOCK))]
                case 2:
                    changed[at:at] = changed[at : at + self._chance.choice((1, 8, BLOCK))]
                case _:
                    changed[at : at + 1] = bytes([self._chance.choice(self.BYTES)])
        return bytes(changed)

    def _changed_archive(self, archive: bytes) -> bytes:
        """Change a block at random and, mostly, sum it again as if it were a header."""
        changed = bytearray(archive)
        for _ in range(self._chance.choice((1, 1, 2))):
            start = self._chance.randrange(0, len(changed), BLOCK)
            for _ in range(self._chance.choice((1, 2, 4))):
                at = start + self._chance.randrange(min(BLOCK, len(changed) - start))
                changed[at] = self._chance.choice(self.BYTES)
            if self._chance.random() < 0.8:
                changed[start + 148 : start + 156] = b" " * 8
                changed[start + 148 : start + 156] = b"%06o\0 " % sum(changed[start : start + BLOCK])
        if self._chance.random() < 0.1:
            start = self._chance.randrange(0, len(changed), BLOCK)
            changed[start:start] = bytes(BLOCK)
        return bytes(changed)


@pytest.mark.parametrize("seed", slow_but({0}, range(6)))
def test_the_verdict_is_the_same_for_mutants(seed: int) -> None:
    mutants = Mutants(seed)
    verdicts = set()
    for mutant in (*mutants.rebuilt(150), *mutants.on_the_way(250)):
        expected = in_pieces(mutant)
        assert verdict(mutant) == expected
        verdicts.add(expected[0] if isinstance(expected[0], type) else "accepted")
    assert "accepted" in verdicts
    assert len(verdicts) > 12, "the mutants are all refused for a few reasons"
