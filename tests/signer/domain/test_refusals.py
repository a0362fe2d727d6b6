"""Refusals become leaves, and nobody can make the log grow by asking again and again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from signer.domain import refusals
from signer.domain.refusals import MINUTE_SECONDS, PER_MINUTE, RefusalBound, RefusedCall
from verifier.log import parsed_leaf

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)


def call(identity: str = "api-token:reader", **changes: str) -> RefusedCall:
    return RefusedCall(identity=identity, key="firmware", reason="the role reader may not sign", **changes)


def suppressed(bound: RefusalBound, *calls: RefusedCall, now: float = 0.0) -> list[int]:
    """Of each leaf, how many it tells of besides."""
    members = [draft.members for draft in bound.drafts(calls, now=now)]
    return [int(str(each.get("suppressed", 0))) for each in members]


def test_a_leaf_says_who_was_refused_what_and_why() -> None:
    leaf = parsed_leaf(call(request_id="abc", manifest_sha256="d" * 64).draft(suppressed=0).leaf(at=NOON).content)
    del leaf["id"]
    assert leaf == {
        "v": 1,
        "type": "signature-refused",
        "time": "2030-01-02T12:00:00.000000Z",
        "actor": "api-token:reader",
        "key": "firmware",
        "reason": "the role reader may not sign",
        "request": "abc",
        "manifest_sha256": "d" * 64,
    }


def test_what_is_not_known_is_left_out() -> None:
    leaf = parsed_leaf(call().draft(suppressed=0).leaf(at=NOON).content)
    assert not leaf.keys() & {"request", "manifest_sha256", "suppressed"}


def test_a_long_reason_does_not_make_a_long_leaf() -> None:
    long = RefusedCall(identity="a", key="firmware", reason="x" * 100_000)
    assert len(long.draft(suppressed=0).leaf(at=NOON).content) < 1000


class TestBound:
    def test_so_many_in_a_minute_and_no_more(self) -> None:
        bound = RefusalBound()
        assert suppressed(bound, *[call()] * (PER_MINUTE + 7)) == [0] * PER_MINUTE
        assert suppressed(bound, call(), now=MINUTE_SECONDS - 0.001) == []

    def test_the_next_leaf_tells_of_the_others_once(self) -> None:
        bound = RefusalBound()
        suppressed(bound, *[call()] * (PER_MINUTE + 7))
        assert suppressed(bound, call(), call(), now=MINUTE_SECONDS) == [7, 0]

    def test_each_caller_has_its_own(self) -> None:
        bound = RefusalBound()
        suppressed(bound, *[call()] * (PER_MINUTE + 7))
        assert suppressed(bound, call("api-token:other")) == [0]

    def test_what_is_kept_of_callers_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusals, "MAX_CALLERS", 2)
        bound = RefusalBound()
        assert suppressed(bound, call("a"), call("b"), call("c")) == [0, 0]
        # A minute later nothing is left to tell of the first two.
        assert suppressed(bound, call("c"), now=MINUTE_SECONDS) == [0]

    def test_who_has_something_left_to_tell_is_not_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(refusals, "MAX_CALLERS", 1)
        bound = RefusalBound()
        suppressed(bound, *[call("a")] * (PER_MINUTE + 3))
        assert suppressed(bound, call("b"), now=MINUTE_SECONDS) == []
        assert suppressed(bound, call("a"), now=MINUTE_SECONDS) == [3]
