"""How many requests one caller may make."""

from __future__ import annotations

import pytest

from signer.domain.request_rates import RequestRates


def test_without_a_bound_nobody_waits() -> None:
    rates = RequestRates(0)
    assert {rates.wait("a", 0.0) for _ in range(1000)} == {0.0}


def test_as_many_as_in_a_minute_at_once_and_then_one_after_another() -> None:
    rates = RequestRates(6)
    assert [rates.wait("a", 0.0) for _ in range(6)] == [0.0] * 6
    assert rates.wait("a", 0.0) == pytest.approx(10.0)
    assert rates.wait("a", 4.0) == pytest.approx(6.0)
    assert rates.wait("a", 10.0) == 0.0
    assert rates.wait("a", 10.0) == pytest.approx(10.0)


def test_one_caller_does_not_wait_for_another() -> None:
    rates = RequestRates(1)
    assert rates.wait("a", 0.0) == 0.0
    assert rates.wait("b", 0.0) == 0.0
    assert rates.wait("a", 0.0) > 0


def test_whoever_waits_does_not_wait_longer_for_asking() -> None:
    rates = RequestRates(1)
    rates.wait("a", 0.0)
    assert [rates.wait("a", float(second)) for second in (10, 20, 30)] == pytest.approx([50.0, 40.0, 30.0])


def test_memory_is_bounded() -> None:
    rates = RequestRates(1, callers=3)
    for name in "abcd":
        assert rates.wait(name, 0.0) == 0.0
    assert rates.wait("d", 0.0) > 0
    assert rates.wait("a", 0.0) == 0.0
