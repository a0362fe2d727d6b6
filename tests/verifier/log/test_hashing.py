"""The tree against published vectors, against its definition, and against paths that prove something else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

from tests.verifier.log.trees import LARGE_ROOTS, LEAVES, ROOTS, leaf, root
from verifier.errors import ConsistencyRefused, InclusionRefused
from verifier.log import (
    EMPTY_ROOT,
    Frontier,
    consistency_subtrees,
    hashing,
    inclusion_subtrees,
    leaf_hash,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)
from verifier.log.hashing import MAX_PATH

HASHES = [leaf(each) for each in LEAVES]


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    return [root(leaves[first:end]) for first, end in inclusion_subtrees(index, len(leaves))]


def consistency(old: int, leaves: list[bytes]) -> list[bytes]:
    return [root(leaves[first:end]) for first, end in consistency_subtrees(old, len(leaves))]


@pytest.mark.parametrize("size", ROOTS)
def test_small_trees_have_the_published_roots(size: int) -> None:
    assert Frontier().extended(map(leaf_hash, LEAVES[:size])).root.hex() == ROOTS[size]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_large_trees_have_the_published_roots_however_they_are_cut() -> None:
    frontier, found = Frontier(), {}
    for first, end in zip([0, *LARGE_ROOTS], LARGE_ROOTS, strict=False):
        frontier = frontier.extended(leaf_hash(b"%d" % index) for index in range(first, end))
        found[end] = frontier.root.hex()
    assert found == LARGE_ROOTS


def test_a_root_is_made_once_and_is_of_its_own_tree_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, other = (Frontier().extended(HASHES[:7]) for _ in range(2))
    before = asked.root
    assert asked.extended(HASHES[7:8]).root == root(HASHES[:8])
    assert asked == other
    monkeypatch.setattr(hashing, "node_hash", lambda _left, _right: pytest.fail("it was made again"))
    assert asked.root == before == root(HASHES[:7])
    with pytest.raises(FrozenInstanceError):
        asked.root = EMPTY_ROOT  # type: ignore[misc]


def test_all_inclusion_paths_are_the_published_ones() -> None:
    paths = [each for size in range(1, 9) for index in range(size) for each in inclusion(index, HASHES[:size])]
    assert len(paths) == 88
    digest = hashlib.sha256(b"".join(paths)).hexdigest()
    assert digest == "9db592d71b0fcd6fc27acf630e1d2b45b00c0ccf50dc5d043a98a4229ed04028"


def test_all_consistency_paths_are_the_published_ones() -> None:
    paths = [each for size in range(1, 9) for old in range(1, size + 1) for each in consistency(old, HASHES[:size])]
    assert len(paths) == 71
    digest = hashlib.sha256(b"".join(paths)).hexdigest()
    assert digest == "5e31f6c5aa9b4dc9531788e5dd4d5f966a0545bef9b4c6d80877e7fade00d249"


SIZES = range(1, 34)
MANY = [leaf(b"%d" % index) for index in range(SIZES.stop)]


@pytest.mark.parametrize("size", SIZES)
def test_a_path_proves_its_leaf_in_its_tree_and_nothing_else(size: int) -> None:
    whole = root(MANY[:size])
    for index in range(size):
        path = inclusion(index, MANY[:size])
        verify_inclusion(index=index, size=size, leaf=MANY[index], path=path, root=whole)
        wrong: list[Callable[[], None]] = [
            lambda i=index, p=path: verify_inclusion(index=i, size=size, leaf=leaf(b"-"), path=p, root=whole),
            lambda i=index, p=path: verify_inclusion(index=i, size=size, leaf=MANY[i], path=[*p, whole], root=whole),
            lambda i=index, p=path: verify_inclusion(index=i, size=size, leaf=MANY[i], path=p, root=EMPTY_ROOT),
        ]
        wrong += [
            lambda i=other, p=path, j=index: verify_inclusion(index=i, size=size, leaf=MANY[j], path=p, root=whole)
            for other in range(size + 1)
            if other != index
        ]
        if path:
            short, swapped = path[:-1], [*path[1:], path[0]]
            wrong.append(
                lambda i=index, p=short: verify_inclusion(index=i, size=size, leaf=MANY[i], path=p, root=whole)
            )
            if swapped != path:
                wrong.append(
                    lambda i=index, p=swapped: verify_inclusion(index=i, size=size, leaf=MANY[i], path=p, root=whole)
                )
        for attempt in wrong:
            with pytest.raises(InclusionRefused):
                attempt()


@pytest.mark.parametrize("size", SIZES)
def test_a_path_proves_growth_from_its_own_tree_and_no_other(size: int) -> None:
    whole = root(MANY[:size])
    for old in range(1, size):
        before, path = root(MANY[:old]), consistency(old, MANY[:size])
        verify_consistency(old_size=old, old_root=before, size=size, root=whole, path=path)
        for change in (path[:-1], [*path, whole], [], [leaf(b"-"), *path[1:]]):
            with pytest.raises(ConsistencyRefused):
                verify_consistency(old_size=old, old_root=before, size=size, root=whole, path=change)
        for changed_old, changed_new in ((leaf(b"-"), whole), (before, leaf(b"-"))):
            with pytest.raises(ConsistencyRefused):
                verify_consistency(old_size=old, old_root=changed_old, size=size, root=changed_new, path=path)


def test_a_shortened_path_to_an_inner_node_is_no_leaf() -> None:
    inner = root(HASHES[:4])
    with pytest.raises(InclusionRefused):
        verify_inclusion(index=0, size=8, leaf=inner, path=[root(HASHES[4:8])], root=root(HASHES))


REFUSED_SIZES = {
    "an index that is the size": (3, 3),
    "an index below zero": (-1, 3),
    "an empty tree": (0, 0),
    "a tree beyond 63 bits": (0, 1 << 63),
}


@pytest.mark.parametrize(("index", "size"), REFUSED_SIZES.values(), ids=REFUSED_SIZES)
def test_no_path_fits(index: int, size: int) -> None:
    with pytest.raises(InclusionRefused):
        verify_inclusion(index=index, size=size, leaf=HASHES[0], path=[], root=HASHES[0])


def test_a_path_of_more_hashes_than_any_tree_has_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(InclusionRefused):
        verify_inclusion(index=0, size=1 << 62, leaf=HASHES[0], path=[HASHES[0]] * (MAX_PATH + 1), root=HASHES[0])


CONSISTENCY_EDGES = {
    "a log that shrank": (3, 2, True),
    "equal sizes with a path": (2, 2, True),
    "nothing, with a path": (0, 2, True),
}


@pytest.mark.parametrize(("old", "size", "path"), CONSISTENCY_EDGES.values(), ids=CONSISTENCY_EDGES)
def test_consistency_is_refused(old: int, size: int, path: bool) -> None:
    with pytest.raises(ConsistencyRefused):
        verify_consistency(
            old_size=old, old_root=root(HASHES[:old]), size=size, root=root(HASHES[:size]), path=[HASHES[0]] * path
        )


def test_equal_sizes_and_other_roots_are_a_fork() -> None:
    with pytest.raises(ConsistencyRefused):
        verify_consistency(old_size=2, old_root=HASHES[0], size=2, root=HASHES[1], path=[])


def test_a_tree_that_was_empty_has_the_empty_root() -> None:
    verify_consistency(old_size=0, old_root=EMPTY_ROOT, size=2, root=HASHES[0], path=[])
    with pytest.raises(ConsistencyRefused):
        verify_consistency(old_size=0, old_root=HASHES[0], size=2, root=HASHES[0], path=[])


@pytest.mark.parametrize(("size", "hashes"), [(3, 1), (0, 1), (-1, 0), (1 << 63, 1)])
def test_a_frontier_that_cannot_be_is_refused(size: int, hashes: int) -> None:
    with pytest.raises(ValueError, match="frontier"):
        Frontier(size, (EMPTY_ROOT,) * hashes)


def test_any_subtree_is_computed_from_perfect_ones() -> None:
    def perfect(level: int, number: int) -> bytes:
        return root(MANY[number << level : (number + 1) << level])

    for size in SIZES:
        for first, end in [(0, size), *inclusion_subtrees(0, size), *inclusion_subtrees(size - 1, size)]:
            assert subtree_hash(first, end, perfect) == root(MANY[first:end])
