"""The keys that a process remembers: who has to wait for an issuer, how often it is asked, what an outage costs."""

from __future__ import annotations

import json
import threading
from concurrent.futures import wait

import pytest

from signer.auth.ci.key_cache import (
    MAX_AGE_SECONDS,
    PAUSE_SECONDS,
    REFRESH_SECONDS,
    KeyCache,
    Keys,
    KeysUnavailable,
)
from signer.auth.ci.key_set import KeySetRefused, key_set
from tests.support.ci_tokens import KeyPair, rsa_pair

PATIENCE_SECONDS = 60.0
ONE, TWO = rsa_pair(), rsa_pair("key-2")


def keys(*pairs: KeyPair) -> Keys:
    return key_set(json.dumps({"keys": [pair.jwk for pair in pairs]}).encode(), ("RS256",))


class Scene:
    """A cache over an issuer that a test plays, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answer: Keys | Exception = keys(ONE)
        self.open = threading.Event()
        self.open.set()
        self.asked = 0
        self.cache = KeyCache(issuer="tests", fetch=self.fetch, monotonic=lambda: self.now)

    def fetch(self) -> Keys:
        self.asked += 1
        answer = self.answer
        assert self.open.wait(PATIENCE_SECONDS)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def settled(self) -> None:
        """Until no fetch is under way."""
        fetching = self.cache.refetch()
        if fetching is not None:
            fetching.result(PATIENCE_SECONDS)

    def fetched(self) -> Scene:
        self.settled()
        assert self.cache.key("key-1")
        return self

    def later(self, seconds: float) -> Scene:
        self.now += seconds
        return self


def test_a_known_key_is_answered_from_memory() -> None:
    scene = Scene().fetched()
    for _ in range(100):
        assert scene.cache.key("key-1")
    assert scene.asked == 1


def test_an_unknown_key_is_nothing_and_asks_nobody_by_itself() -> None:
    scene = Scene()
    assert scene.cache.key("key-1") is None
    assert scene.asked == 0


@pytest.mark.parametrize("outcome", [keys(ONE), KeysUnavailable("down"), KeySetRefused("lies"), RuntimeError("odd")])
def test_made_up_keys_cause_one_fetch_a_minute_whatever_comes_of_it(outcome: Keys | Exception) -> None:
    scene = Scene()
    scene.answer = outcome
    scene.settled()
    for _ in range(100):
        assert scene.cache.refetch() is None
    assert scene.asked == 1
    scene.later(PAUSE_SECONDS - 1)
    assert scene.cache.refetch() is None
    scene.later(1).settled()
    assert scene.asked == 2


def test_who_waits_for_a_fetch_shares_it() -> None:
    scene = Scene()
    scene.open.clear()
    waiting = [scene.cache.refetch() for _ in range(50)]
    assert len({id(each) for each in waiting}) == 1
    scene.open.set()
    assert all(each is not None and each.result(PATIENCE_SECONDS) is None for each in waiting)
    assert scene.asked == 1


def test_a_known_key_does_not_wait_for_an_issuer_that_hangs() -> None:
    scene = Scene().fetched().later(REFRESH_SECONDS + 1)
    scene.open.clear()
    assert scene.cache.key("key-1")  # begins a fetch beside it
    hanging = scene.cache.refetch()
    assert hanging is not None
    for _ in range(100):
        assert scene.cache.key("key-1")
    assert not hanging.done()
    scene.open.set()
    assert wait([hanging], PATIENCE_SECONDS).done


@pytest.mark.parametrize("failure", [KeysUnavailable("down"), KeySetRefused("lies"), RuntimeError("odd")])
def test_an_outage_refuses_nobody_with_a_known_key_for_a_day(failure: Exception) -> None:
    scene = Scene().fetched()
    scene.answer = failure
    for _ in range(int(MAX_AGE_SECONDS / 3600) - 1):
        assert scene.later(3600).cache.key("key-1")
        scene.settled()
    assert scene.cache.failed
    assert scene.cache.failures == scene.asked - 1 > 1
    scene.later(3601)
    assert scene.cache.key("key-1") is None


def test_a_key_that_vanished_is_taken_no_more() -> None:
    scene = Scene().fetched().later(REFRESH_SECONDS + 1)
    scene.answer = keys(TWO)
    assert scene.cache.key("key-1")
    scene.settled()
    assert scene.cache.key("key-1") is None
    assert scene.cache.key("key-2")


def test_a_key_after_a_rotation_is_found_by_one_fetch() -> None:
    scene = Scene().fetched().later(PAUSE_SECONDS)
    scene.answer = keys(ONE, TWO)
    assert scene.cache.key("key-2") is None
    scene.settled()
    assert scene.cache.key("key-2")


def test_an_issuer_that_comes_back_is_no_failure_any_more() -> None:
    scene = Scene()
    scene.answer = KeysUnavailable("down")
    scene.settled()
    assert scene.cache.failed
    scene.answer = keys(ONE)
    scene.later(PAUSE_SECONDS).settled()
    assert not scene.cache.failed
    assert scene.cache.key("key-1")


def test_a_failure_is_told_in_the_log_without_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.answer = RuntimeError("something that was sent")
    scene.settled()
    assert "the keys of CI issuer tests cannot be fetched: RuntimeError" in caplog.text
    assert "sent" not in caplog.messages[0]
