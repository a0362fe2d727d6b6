"""What is wrong beside leaves that are right: rules that a small log has no rows for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from signer.domain.log_rows import CheckpointRow, LeafRow, LogFacts, TileRow, ToldFloors
from signer.log.database_check import faults_of_rows
from signer.log.levels import tile_root
from verifier.log import Frontier

HASHES = [bytes([number]) * 32 for number in range(256)]
ROOT = tile_root(b"".join(HASHES))
PLACE, FLOOR = ("firmware", "board", "rootfs"), ("numeric", "7", 9)
FACTS = LogFacts(
    size=256,
    root=ROOT,
    frontier=ROOT,
    newest="2030-01-01T00:00:00.000000Z",
    access_sha256="a" * 64,
    access_found="a" * 64,
    leaves=256,
    tiles={0: 1},
    largest_checkpoint=256,
    machines=(),
    waiting=0,
    signatures=0,
    first_leaves=0,
    unkept=(),
    floors={PLACE: FLOOR},
)


class Rows:
    """A log of 256 leaves; ``root``: what the row of its tile has."""

    def __init__(self, root: bytes = ROOT) -> None:
        self._tile = TileRow(0, 0, b"".join(HASHES), root)

    def facts(self) -> LogFacts:
        return FACTS

    def rows(self, first: int, end: int) -> list[LeafRow | None]:
        return [LeafRow(b"", {}, each, None) for each in HASHES[first:end]]

    def tiles(self) -> Iterator[TileRow]:
        yield self._tile

    def tile(self, level: int, number: int) -> TileRow | None:
        return self._tile

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        return [ROOT][first:end] if level == 0 else []

    def told_floors(self, end: int) -> ToldFloors:
        assert end == FACTS.size
        return {PLACE: FLOOR}

    def checkpoints(self) -> Iterator[CheckpointRow]:
        yield from ()


def sentences(facts: LogFacts = FACTS, rows: Rows | None = None) -> list[str]:
    newest, access = FACTS.newest or "", FACTS.access_sha256
    return [fault.sentence for fault in faults_of_rows(rows or Rows(), facts, newest, access)]


def test_rows_that_are_right_have_no_fault() -> None:
    assert Frontier().extended(HASHES).hashes == (ROOT,)
    assert sentences() == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (replace(FACTS, access_sha256="b" * 64, access_found="b" * 64), "its digest of what gives power"),
        (replace(FACTS, access_found="b" * 64), "no leaf tells of these rows"),
        (replace(FACTS, leaves=257), "there are 257 rows of leaves"),
        (replace(FACTS, tiles={0: 1, 3: 1}), "the table of tiles"),
        (replace(FACTS, signatures=1), "the signatures on record"),
        (replace(FACTS, floors={}), "the floor of versions of firmware for board and rootfs"),
        (replace(FACTS, floors={PLACE: ("numeric", "6", 9)}), "the leaves say another one"),
        (replace(FACTS, floors={PLACE: ("semver", "7", 9)}), "the leaves say another one"),
        (replace(FACTS, floors={PLACE: ("numeric", "7", 8)}), "the leaves say another one"),
        (replace(FACTS, floors={PLACE: FLOOR, ("firmware", "router", ""): FLOOR}), "for router and"),
    ],
)
def test_each_rule_is_told_by_itself(facts: LogFacts, says: str) -> None:
    (sentence,) = sentences(facts)
    assert says in sentence


def test_the_root_of_a_tile_is_the_one_of_its_hashes() -> None:
    (sentence,) = sentences(rows=Rows(bytes(32)))
    assert "tile 0/0" in sentence
