"""What may be certified: a log that was extended leaf by leaf, by the bytes of the leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signer.domain.verified_log import AccessState, VerifiedLog
from signer.errors import LogDamaged, LogForked, LogRolledBack
from verifier.log import EMPTY_ROOT, Frontier, canonical_leaf, leaf_hash
from verifier.log.leaves import LeafValue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def _time(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _leaf(seconds: float = 0, kind: str = "signature", **members: LeafValue) -> bytes:
    return canonical_leaf({"v": 1, "type": kind, "time": _time(seconds), **members})


def _access(revision: LeafValue, before: LeafValue, after: LeafValue) -> dict[str, LeafValue]:
    return {"access_revision": revision, "access_before": before, "access_sha256": after}


def _granted(revision: int, before: str, after: str, seconds: float = 0) -> bytes:
    return _leaf(seconds, "key-created", **_access(revision, before, after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Leaves from index 0 on: ``damaged`` is the first that is refused, None where all are taken."""

    leaves: Sequence[bytes]
    damaged: int | None = None
    problem: str = ""


ROWS = {
    "leaves of one moment are taken": Row(leaves=[_leaf(1), _leaf(1)]),
    "time goes on": Row(leaves=[_leaf(1), _leaf(2)]),
    "time that goes back is refused": Row(leaves=[_leaf(0), _leaf(2), _leaf(1)], damaged=2, problem="time"),
    "time that goes back by a microsecond is refused": Row(
        leaves=[_leaf(2), _leaf(1.999999)], damaged=1, problem="time"
    ),
    "a correction sets the time back": Row(leaves=[_leaf(9), _leaf(1, "clock-corrected"), _leaf(2)]),
    "what follows a correction goes on from it": Row(
        leaves=[_leaf(9), _leaf(3, "clock-corrected"), _leaf(2)], damaged=2, problem="time"
    ),
    "a leaf without time is refused": Row(
        leaves=[canonical_leaf({"v": 1, "type": "x"})], damaged=0, problem="form of times"
    ),
    "a time in seconds is refused": Row(leaves=[canonical_leaf({"time": 1})], damaged=0, problem="form of times"),
    "a time without its six digits is refused": Row(
        leaves=[canonical_leaf({"time": "2026-01-01T12:00:00.5Z"})], damaged=0, problem="form of times"
    ),
    "a time of another zone is refused": Row(
        leaves=[canonical_leaf({"time": "2026-01-01T12:00:00.000000+00:00"})], damaged=0, problem="form of times"
    ),
    "a thirteenth month is refused": Row(
        leaves=[canonical_leaf({"time": "2026-13-01T12:00:00.000000Z"})], damaged=0, problem="calendar"
    ),
    "the first state of access is taken": Row(leaves=[_granted(1, A, B)]),
    "a change of what is held is taken": Row(leaves=[_granted(1, A, B), _granted(2, B, C)]),
    "a change that leaves the revision is taken": Row(leaves=[_granted(1, A, B), _granted(1, B, C)]),
    "a change of another state is refused": Row(
        leaves=[_granted(1, A, B), _granted(2, A, C)], damaged=1, problem="another state"
    ),
    "a change that starts from its own end is refused": Row(
        leaves=[_granted(1, A, B), _granted(2, C, C)], damaged=1, problem="another state"
    ),
    "a revision that falls is refused": Row(
        leaves=[_granted(2, A, B), _granted(1, B, C)], damaged=1, problem="revision"
    ),
    "a change without its beginning is refused": Row(
        leaves=[_leaf(access_revision=1, access_sha256=A)], damaged=0, problem="complete"
    ),
    "the log begins with a state that nothing is before": Row(
        leaves=[_leaf(0, "log-created", access_revision=1, access_sha256=A), _granted(2, A, B)]
    ),
    "a second beginning is refused": Row(
        leaves=[_leaf(), _leaf(0, "log-created", access_revision=1, access_sha256=A)], damaged=1, problem="complete"
    ),
    "a log that is continued has a state before": Row(
        leaves=[_granted(1, A, B), _leaf(0, "log-continued", access_revision=2, access_sha256=A)],
        damaged=1,
        problem="complete",
    ),
    "a change without its end is refused": Row(
        leaves=[_leaf(access_revision=1, access_before=A)], damaged=0, problem="complete"
    ),
    "a change without its revision is refused": Row(
        leaves=[_leaf(access_before=A, access_sha256=A)], damaged=0, problem="complete"
    ),
    "a revision of true is refused": Row(leaves=[_leaf(**_access(True, A, B))], damaged=0, problem="complete"),
    "a revision in words is refused": Row(leaves=[_leaf(**_access("1", A, B))], damaged=0, problem="complete"),
    "a digest in capitals is refused": Row(leaves=[_leaf(**_access(1, A.upper(), B))], damaged=0, problem="complete"),
    "a digest that is too short is refused": Row(
        leaves=[_leaf(**_access(1, A, B[:-1]))], damaged=0, problem="complete"
    ),
    "a digest with a line end is refused": Row(
        leaves=[_leaf(**_access(1, A, B + "\n"))], damaged=0, problem="complete"
    ),
    "what is no JSON is refused": Row(leaves=[_leaf(), b"\xff"], damaged=1, problem="JSON"),
    "an empty leaf is refused": Row(leaves=[b""], damaged=0, problem="JSON"),
    "a member twice is refused": Row(
        leaves=[_leaf().replace(b'"v":1', b'"v":1,"v":1')], damaged=0, problem="canonical"
    ),
    "a space more is refused": Row(leaves=[_leaf() + b" "], damaged=0, problem="canonical"),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_leaves_are_taken_or_refused(sentence: str) -> None:
    row = ROWS[sentence]
    if row.damaged is None:
        assert VerifiedLog().extended(row.leaves).frontier == Frontier().extended(map(leaf_hash, row.leaves))
        return
    with pytest.raises(LogDamaged) as refused:
        VerifiedLog().extended(row.leaves)
    assert refused.value.index == row.damaged
    assert row.problem in refused.value.problem


@pytest.mark.parametrize("sentence", [name for name, row in ROWS.items() if row.damaged is not None])
def test_it_is_the_same_leaf_by_leaf(sentence: str) -> None:
    row = ROWS[sentence]
    assert row.damaged is not None
    log = VerifiedLog()
    for leaf in row.leaves[: row.damaged]:
        log = log.extended([leaf])
    with pytest.raises(LogDamaged) as refused:
        log.extended([row.leaves[row.damaged]])
    assert refused.value.index == row.damaged


def test_what_was_left_is_what_the_next_has_to_fit_to() -> None:
    log = VerifiedLog().extended([_granted(3, A, B, seconds=1), _leaf(2)])
    assert (log.access, log.newest) == (AccessState(revision=3, sha256=B), NOON + timedelta(seconds=2))


OLD = VerifiedLog().extended([_leaf(1), _leaf(2)])
HEADS: dict[str, tuple[int, bytes, Callable[[VerifiedLog], object]]] = {
    "the same": (2, OLD.frontier.root, lambda log: log.size == 2),
    "one that is longer": (5, b"?" * 32, lambda log: log.size == 2),
}


@pytest.mark.parametrize("sentence", HEADS)
def test_a_head_that_may_follow_is_read_on_from(sentence: str) -> None:
    size, root, holds = HEADS[sentence]
    assert OLD.beyond(size=size, root=root) == range(2, size)
    assert holds(OLD)


@pytest.mark.parametrize("size", [0, 1])
def test_a_shorter_log_is_refused(size: int) -> None:
    root = EMPTY_ROOT if size == 0 else VerifiedLog().extended([_leaf(1)]).frontier.root
    with pytest.raises(LogRolledBack) as refused:
        OLD.beyond(size=size, root=root)
    assert (refused.value.verified, refused.value.found) == (2, size)


def test_another_log_of_the_same_size_is_refused() -> None:
    other = VerifiedLog().extended([_leaf(1), _leaf(3)]).frontier.root
    with pytest.raises(LogForked) as refused:
        OLD.beyond(size=2, root=other)
    assert (refused.value.expected, refused.value.found) == (OLD.frontier.root.hex(), other.hex())


def test_a_longer_log_that_is_another_is_found_by_its_root() -> None:
    log = OLD.extended([_leaf(4)])
    with pytest.raises(LogForked):
        log.require(OLD.extended([_leaf(5)]).frontier.root)
    log.require(log.frontier.root)


class TestLeavesOfOnesOwn:
    """What this process has just made need not be read; what is stored is hashed all the same."""

    def test_they_are_hashed_as_they_are_stored(self) -> None:
        own = {_leaf(1): NOON + timedelta(seconds=1)}
        assert VerifiedLog().extended(own, own=own) == VerifiedLog().extended(own)

    def test_their_time_counts(self) -> None:
        log = VerifiedLog().extended([_leaf(9)])
        with pytest.raises(LogDamaged):
            log.extended([_leaf(1)], own={_leaf(1): NOON + timedelta(seconds=1)})

    def test_what_is_stored_differently_is_read(self) -> None:
        own = {_leaf(1): NOON + timedelta(seconds=1)}
        planted = _granted(1, A, B, seconds=1)
        assert VerifiedLog().extended([planted], own=own).access == AccessState(revision=1, sha256=B)

    def test_a_bit_that_flipped_leads_to_another_root(self) -> None:
        leaf = _leaf(1, artifact="release-1")
        stored = leaf.replace(b"release-1", b"release-0")
        own = {leaf: NOON + timedelta(seconds=1)}
        with pytest.raises(LogForked):
            VerifiedLog().extended([stored], own=own).require(Frontier().extended([leaf_hash(leaf)]).root)
