"""Proofs out of stored hashes: the published vectors, every size, and what is read for them."""

from __future__ import annotations

from hashlib import sha256

import pytest

from signer.errors import LogDamaged
from signer.services.log_tree import KEPT_TILES, LogTree
from tests.support.memory_log import MemoryLog
from verifier.log import leaf_hash, verify_consistency, verify_inclusion

# The leaves of the tests that certificate transparency logs are held to.
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
EDGES = (1, 2, 3, 7, 8, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000)


def log_of(entries: list[bytes]) -> MemoryLog:
    log = MemoryLog()
    for entry in entries:
        log.add(entry)
    return log


@pytest.fixture(scope="module")
def large() -> MemoryLog:
    """Of 70,000 leaves; each is its own number."""
    return log_of([b"%d" % number for number in range(EDGES[-1])])


def test_the_paths_are_those_of_the_published_vectors() -> None:
    tree = LogTree(log_of(ENTRIES).stored_hashes)
    sizes = range(1, len(ENTRIES) + 1)
    inclusion = [each for size in sizes for path in tree.inclusion(range(size), size) for each in path]
    consistency = [each for size in sizes for old in range(1, size + 1) for each in tree.consistency(old, size)]
    assert (len(inclusion), sha256(b"".join(inclusion)).hexdigest()) == (
        88, "9db592d71b0fcd6fc27acf630e1d2b45b00c0ccf50dc5d043a98a4229ed04028"
    )  # fmt: skip
    assert (len(consistency), sha256(b"".join(consistency)).hexdigest()) == (
        71, "5e31f6c5aa9b4dc9531788e5dd4d5f966a0545bef9b4c6d80877e7fade00d249"
    )  # fmt: skip


@pytest.mark.parametrize("size", EDGES)
def test_a_path_at_an_edge_leads_to_the_root(large: MemoryLog, size: int) -> None:
    tree = LogTree(large.stored_hashes)
    indexes = sorted({0, size // 2, size - 1, *(edge for edge in EDGES if edge < size)})
    root = tree.root(size)
    for index, path in zip(indexes, tree.inclusion(indexes, size), strict=True):
        verify_inclusion(index=index, size=size, leaf=leaf_hash(b"%d" % index), path=path, root=root)


@pytest.mark.parametrize("old_size", EDGES)
def test_each_size_begins_with_each_smaller_one(large: MemoryLog, old_size: int) -> None:
    tree = LogTree(large.stored_hashes)
    for size in (edge for edge in EDGES if edge >= old_size):
        path = tree.consistency(old_size, size)
        verify_consistency(old_size=old_size, old_root=tree.root(old_size), size=size, root=tree.root(size), path=path)


def test_a_tree_that_grows_gives_what_a_new_one_gives(large: MemoryLog) -> None:
    kept = LogTree(large.stored_hashes)
    for size in range(200, 800, 7):
        assert kept.inclusion([0, size - 1], size) == LogTree(large.stored_hashes).inclusion([0, size - 1], size)


class TestWhatIsRead:
    """A tile once, and of a tile that grew only what is new."""

    def test_many_paths_read_what_they_share_once(self, large: MemoryLog) -> None:
        large.reads.clear()
        LogTree(large.stored_hashes).inclusion(range(69_632, 69_888), 70_000)
        assert sorted(large.reads) == [(0, 69_632, 69_888), (0, 69_888, 70_000), (1, 256, 273), (2, 0, 1)]

    def test_what_was_read_is_not_read_again(self, large: MemoryLog) -> None:
        tree = LogTree(large.stored_hashes)
        tree.inclusion([69_999], 70_000)
        large.reads.clear()
        tree.inclusion([69_998], 70_000)
        assert large.reads == []

    def test_a_tile_that_grew_is_read_from_where_it_ended(self, large: MemoryLog) -> None:
        tree = LogTree(large.stored_hashes)
        tree.inclusion([69_900], 69_901)
        large.reads.clear()
        tree.inclusion([69_910], 69_911)
        assert large.reads == [(0, 69_901, 69_911)]

    def test_what_is_forgotten_is_read_again(self, large: MemoryLog) -> None:
        tree = LogTree(large.stored_hashes)
        tree.inclusion([0], 2)
        tree.forget()
        large.reads.clear()
        tree.inclusion([0], 2)
        assert large.reads == [(0, 0, 2)]

    def test_no_more_is_kept_than_so_many_tiles(self, large: MemoryLog) -> None:
        tree = LogTree(large.stored_hashes)
        for tile in range(KEPT_TILES * 2):
            tree.inclusion([tile * 256], 70_000)
        assert len(tree._tiles) == KEPT_TILES


class TestMissingHashes:
    """A log whose hashes are not all there."""

    def test_a_reader_that_gives_too_few(self, large: MemoryLog) -> None:
        tree = LogTree(lambda level, first, end: large.stored_hashes(level, first, end)[:-1])
        with pytest.raises(LogDamaged) as refused:
            tree.inclusion([300], 400)
        assert refused.value.index in (0, 256)

    def test_a_reader_that_refuses(self) -> None:
        with pytest.raises(LogDamaged):
            LogTree(log_of(ENTRIES).stored_hashes).inclusion([0], len(ENTRIES) + 1)


def test_hashes_that_two_learnt_at_the_same_time_count_once() -> None:
    log = log_of(ENTRIES)
    tree = LogTree(log.stored_hashes)
    assert tree.beginning(len(ENTRIES)) == 0
    for _ in range(2):
        tree.learn(0, log.levels[0][:5])
    assert tree.beginning(len(ENTRIES)) == 5
    assert tree.root(len(ENTRIES)) == log.frontier.root
    assert log.reads == [(0, 5, 8)]
