"""Limits of rules from the request to the answer: who is over one is told until when, and costs the token nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from signer.domain.access.limits import LimitDemand, LimitReached, Period
from signer.domain.requests import Signature
from signer.errors import RateLimited, SignatureCountReached
from signer.services.reached_limits import ENTRIES, ReachedLimits
from signer.services.signing_calls import SigningCall
from signer.web.problems import problem_of
from tests.signer.domain.access.cases import rule
from tests.signer.services.test_rules import BUILD, FW, apply, told
from tests.support.clock import START
from tests.support.house import House, new_request
from tests.support.memory_tokens import MemoryTokens

from .steps import assert_nobody_asks_the_token


def ask(house: House, request: object = None) -> Signature | Exception:
    call = SigningCall(identity=BUILD, key="firmware", request=request or new_request(), request_id="r")  # type: ignore[arg-type]
    (result,) = house.sign_many([call])
    return result


@pytest.fixture
def shop(house: House) -> House:
    """Two signatures a day."""
    house.create()
    apply(house, rule(keys=FW, limits="{ per_day = 2 }"))
    return house


def test_who_is_over_a_limit_is_told_until_when(shop: House) -> None:
    assert [type(ask(shop)) for _ in range(2)] == [Signature, Signature]
    refused = ask(shop)
    assert isinstance(refused, RateLimited)
    assert (refused.limit, refused.period) == (2, "per_day")
    assert 0 < refused.retry_after <= 86400
    problem = problem_of(refused)
    assert (problem.status, problem.code) == (429, "rate-limited")
    assert problem.retry_after is not None


def test_asking_again_costs_the_token_nothing_and_is_told_once(shop: House, tokens: MemoryTokens) -> None:
    for _ in range(3):
        ask(shop)
    assert len(told(shop)) == 1
    assert "limits: per_day" in told(shop)[0].reason
    with assert_nobody_asks_the_token(tokens):
        for _ in range(3):
            assert isinstance(ask(shop), RateLimited)
    assert len(told(shop)) == 1


def test_what_is_on_record_is_given_out_over_the_limit(shop: House) -> None:
    request = new_request()
    first = ask(shop, request)
    ask(shop)
    assert isinstance(ask(shop), RateLimited)
    again = ask(shop, request)
    assert isinstance(first, Signature)
    assert isinstance(again, Signature)
    assert again.encoded == first.encoded


def test_a_policy_that_allows_more_holds_at_once(shop: House) -> None:
    for _ in range(3):
        ask(shop)
    apply(shop, rule(keys=FW, limits="{ per_day = 3 }"))
    assert isinstance(ask(shop), Signature)
    assert isinstance(ask(shop), RateLimited)


def test_a_total_has_no_time_after_which_to_try_again(shop: House) -> None:
    apply(shop, rule(keys=FW, limits="{ total = 1 }"))
    ask(shop)
    refused = ask(shop)
    assert isinstance(refused, SignatureCountReached)
    problem = problem_of(refused)
    assert (problem.status, problem.retry_after) == (409, None)


class TestRemembering:
    REACHED = LimitReached(period=Period.DAY, count=2, ends=START + timedelta(hours=1))
    LIMIT = LimitDemand(period=Period.DAY, count=2)

    def test_it_ends_with_the_period(self) -> None:
        known = ReachedLimits()
        known.note("a", "k", self.REACHED)
        assert known.among("a", "k", [self.LIMIT], START) == self.REACHED
        assert known.among("a", "k", [self.LIMIT], START + timedelta(hours=1)) is None

    @pytest.mark.parametrize(
        ("identity", "key", "limit"),
        [("b", "k", LIMIT), ("a", "l", LIMIT), ("a", "k", LimitDemand(period=Period.DAY, count=3))],
    )
    def test_it_is_nobody_elses(self, identity: str, key: str, limit: LimitDemand) -> None:
        known = ReachedLimits()
        known.note("a", "k", self.REACHED)
        assert known.among(identity, key, [limit], START) is None

    def test_it_is_bounded(self) -> None:
        known = ReachedLimits()
        for number in range(ENTRIES + 10):
            known.note(f"a{number}", "k", self.REACHED)
        assert len(known._reached) <= ENTRIES
