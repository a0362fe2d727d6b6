"""What whoever reads a log promises: in memory, and on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signer.domain.leaves import Leaf
from signer.errors import LogDamaged
from signer.services.log_tree import LogTree
from signer.services.ports import LeafQuery, LogReader
from signer.storage.log_append import append, lock_head
from signer.storage.log_reader import SqlLogReader
from tests.support.databases import Opener
from tests.support.memory_log import MemoryLog, moment, signature_leaf
from verifier.log import Frontier, leaf_hash

SIZE = 600
EXTRA = {
    7: {"key": "other"},
    8: {"actor": "api-token:admin"},
    9: {"manifest_sha256": "a" * 64, "artifact": "release-% ü"},
}
LEAVES = [signature_leaf(number, **EXTRA.get(number, {})) for number in range(SIZE)]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def reader_of(request: pytest.FixtureRequest) -> Iterator[Callable[[list[Leaf]], tuple[LogReader, int]]]:
    """A reader of a log that ends with these leaves, and the index of the first of them."""
    if request.param == "memory":

        def in_memory(leaves: list[Leaf]) -> tuple[LogReader, int]:
            log = MemoryLog()
            log.append(leaves)
            return log, 0

        yield in_memory
        return
    opener = Opener(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
    database = opener()

    def in_database(leaves: list[Leaf]) -> tuple[LogReader, int]:
        with database.writing() as connection:
            head = lock_head(connection)
            append(connection, head, leaves)
        return SqlLogReader(database=database), head.size

    yield in_database
    opener.close()


@pytest.fixture
def read(reader_of: Callable[[list[Leaf]], tuple[LogReader, int]]) -> tuple[LogReader, int]:
    return reader_of(LEAVES)


def test_leaves_are_what_was_appended(read: tuple[LogReader, int]) -> None:
    reader, first = read
    assert reader.leaves(first, first + SIZE) == [leaf.content for leaf in LEAVES]
    assert reader.leaves(first + 255, first + 257) == [leaf.content for leaf in LEAVES[255:257]]
    assert reader.leaves(first, first) == []


def test_the_head_is_that_of_the_leaves(read: tuple[LogReader, int]) -> None:
    reader, first = read
    head, hashes = reader.head(), [leaf_hash(leaf) for leaf in reader.leaves(0, first + SIZE)]
    assert head.frontier == Frontier().extended(hashes)
    assert (head.size, head.root, head.newest) == (first + SIZE, head.frontier.root, moment(SIZE - 1))


def test_hashes_are_those_of_the_leaves_on_each_level(read: tuple[LogReader, int]) -> None:
    reader, first = read
    hashes = [leaf_hash(leaf) for leaf in reader.leaves(0, first + SIZE)]
    assert reader.stored_hashes(0, 0, first + SIZE) == hashes
    assert reader.stored_hashes(0, 200, 300) == hashes[200:300]
    assert reader.stored_hashes(0, 512, 513) == hashes[512:513]
    roots = [Frontier().extended(hashes[start : start + 256]).root for start in (0, 256)]
    assert reader.stored_hashes(1, 0, 2) == roots
    assert LogTree(reader.stored_hashes).root(first + SIZE) == reader.head().root


BEYOND: dict[str, Callable[[LogReader, int], object]] = {
    "a leaf": lambda reader, size: reader.leaves(size, size + 1),
    "leaves of which one is there": lambda reader, size: reader.leaves(size - 1, size + 1),
    "a hash": lambda reader, size: reader.stored_hashes(0, size, size + 1),
    "hashes of which one is there": lambda reader, size: reader.stored_hashes(0, size - 1, size + 1),
    "a hash of the next level": lambda reader, size: reader.stored_hashes(1, 2, 3),
    "a level that is not reached": lambda reader, size: reader.stored_hashes(2, 0, 1),
}


@pytest.mark.parametrize("sentence", BEYOND)
def test_what_is_not_there_is_damage(read: tuple[LogReader, int], sentence: str) -> None:
    reader, first = read
    with pytest.raises(LogDamaged):
        BEYOND[sentence](reader, first + SIZE)


QUERIES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "a key": ({"key": "other"}, [7]),
    "an identity": ({"actor": "api-token:admin"}, [8]),
    "a digest": ({"manifest_sha256": "a" * 64}, [9]),
    "an artifact": ({"artifact": "release-% ü"}, [9]),
    "an artifact that looks like a pattern": ({"artifact": "release-%"}, []),
    "all of it together": ({"key": "firmware", "artifact": "release-11", "types": ("signature",)}, [11]),
    "what does not go together": ({"key": "other", "artifact": "release-11"}, []),
    "a type that is not there": ({"types": ("signature-refused",), "key": "firmware"}, []),
    "several types": ({"types": ("signature-refused", "signature"), "artifact": "release-12"}, [12]),
    "a time": ({"since": moment(20), "until": moment(22)}, [20, 21]),
    "a time in another zone": (
        {"since": moment(20).astimezone(), "until": moment(20) + timedelta(microseconds=1)}, [20]
    ),
    "a time before everything": ({"until": datetime(2001, 1, 1, tzinfo=UTC), "key": "firmware"}, []),
    "a time after everything": ({"since": moment(SIZE)}, []),
    "no more than asked for": ({"since": moment(20), "limit": 3}, [20, 21, 22]),
}  # fmt: skip


@pytest.mark.parametrize("sentence", QUERIES)
def test_leaves_are_found_by(read: tuple[LogReader, int], sentence: str) -> None:
    reader, first = read
    wanted, numbers = QUERIES[sentence]
    found = reader.find(LeafQuery(**{"first": 0, "limit": 100, **wanted}))
    assert [entry.index - first for entry in found] == numbers
    assert [entry.leaf for entry in found] == [LEAVES[number].content for number in numbers]


def test_leaves_are_found_from_an_index_on(read: tuple[LogReader, int]) -> None:
    reader, first = read
    found = reader.find(LeafQuery(first=first + 598, limit=100, key="firmware"))
    assert [entry.index - first for entry in found] == [598, 599]
    assert reader.find(LeafQuery(first=first + SIZE, limit=100)) == []


def test_a_log_without_a_checkpoint_has_none(read: tuple[LogReader, int]) -> None:
    reader, _ = read
    assert reader.checkpoint() is None
