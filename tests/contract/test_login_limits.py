"""Counted logins on every database: one count for all workers, however many attempts come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from signer.domain.login_limits import LoginRates
from signer.errors import TooManyAttempts
from signer.storage.login_store import LONGEST_PERIOD, SqlLoginLimits
from signer.storage.user_tables import login_attempts
from tests.support.clock import ManualClock
from tests.support.databases import Opener

RATES = LoginRates(most=5, period=timedelta(minutes=5))
EMAIL = "ops@example.com"


@pytest.fixture
def limits(open_database: Opener) -> SqlLoginLimits:
    return SqlLoginLimits(database=open_database())


def _heard(
    limits: SqlLoginLimits, clock: ManualClock, address: str | None, *, known: bool = False, email: str = EMAIL
) -> bool:
    try:
        limits.begin(RATES.places(email, address, known=known), clock())
    except TooManyAttempts:
        return False
    return True


def test_so_many_are_heard_and_then_no_more_until_time_has_passed(limits: SqlLoginLimits, clock: ManualClock) -> None:
    assert [_heard(limits, clock, "192.0.2.1") for _ in range(7)] == [True] * 5 + [False] * 2
    with pytest.raises(TooManyAttempts) as refused:
        limits.begin(RATES.places(EMAIL, "192.0.2.1", known=False), clock())
    assert refused.value.retry_after == 60
    clock.advance(seconds=61)
    assert [_heard(limits, clock, "192.0.2.1") for _ in range(2)] == [True, False]


def test_one_that_succeeds_does_not_count(limits: SqlLoginLimits, clock: ManualClock) -> None:
    for _ in range(20):
        places = RATES.places(EMAIL, "192.0.2.1", known=False)
        limits.begin(places, clock())
        limits.succeeded(places)
    assert _heard(limits, clock, "192.0.2.1")


def test_one_stranger_does_not_keep_the_user_out_elsewhere(limits: SqlLoginLimits, clock: ManualClock) -> None:
    for _ in range(100):
        _heard(limits, clock, "203.0.113.9")
    assert _heard(limits, clock, "192.0.2.1")


def test_many_strangers_keep_nobody_out_from_where_they_logged_in(limits: SqlLoginLimits, clock: ManualClock) -> None:
    for number in range(30):
        _heard(limits, clock, f"203.0.113.{number}")
    assert _heard(limits, clock, "192.0.2.1") is False
    assert _heard(limits, clock, "192.0.2.1", known=True)


def test_one_address_does_not_try_every_account(limits: SqlLoginLimits, clock: ManualClock) -> None:
    heard = [_heard(limits, clock, "203.0.113.9", email=f"user{number}@example.com") for number in range(30)]
    assert heard == [True] * 20 + [False] * 10


def test_without_an_address_the_account_counts(limits: SqlLoginLimits, clock: ManualClock) -> None:
    assert [_heard(limits, clock, None) for _ in range(6)] == [True] * 5 + [False]


def test_what_is_refused_counts_nowhere(limits: SqlLoginLimits, clock: ManualClock) -> None:
    for _ in range(50):
        _heard(limits, clock, "203.0.113.9")
    # The account from all addresses has counted the five that were heard.
    heard = [_heard(limits, clock, f"198.51.100.{number}") for number in range(20)]
    assert heard == [True] * 15 + [False] * 5


def test_a_clock_that_went_back_lets_nobody_in(limits: SqlLoginLimits, clock: ManualClock) -> None:
    for _ in range(5):
        _heard(limits, clock, None)
    clock.advance(seconds=-3600)
    assert _heard(limits, clock, None) is False


def test_many_at_once_are_as_many(open_database: Opener, clock: ManualClock) -> None:
    workers = [SqlLoginLimits(database=open_database()) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        heard = list(pool.map(lambda number: _heard(workers[number % 3], clock, None), range(24)))
    assert heard.count(True) == 5


def test_what_has_run_out_is_forgotten(open_database: Opener, clock: ManualClock) -> None:
    database = open_database()
    limits = SqlLoginLimits(database=database)
    for number in range(10):
        _heard(limits, clock, None, email=f"user{number}@example.com")
    clock.advance(seconds=LONGEST_PERIOD.total_seconds() + 1)
    _heard(limits, clock, None)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(login_attempts)).scalar_one() == 1
