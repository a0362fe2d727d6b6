"""Heads that somebody has shown, on every database: whose, for which key, how many, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from signer.errors.blind import HeadsExhausted
from signer.storage.approval_tables import registered_heads
from signer.storage.database import Database
from signer.storage.registered_heads import SqlRegisteredHeads
from tests.support.clock import START
from tests.support.databases import Opener

MINUTES = timedelta(minutes=10)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def heads(database: Database) -> SqlRegisteredHeads:
    return SqlRegisteredHeads(database=database, most=2)


def keep(
    heads: SqlRegisteredHeads, digest: str, *, who: str = "x", key: str = "fw", after: timedelta = timedelta()
) -> None:
    now = START + after
    heads.keep((who, key, digest), digest.encode() + str(after).encode(), now=now, expires_at=now + MINUTES)


def test_they_are_found_by_whom_and_what_they_are_for(heads: SqlRegisteredHeads) -> None:
    keep(heads, A)
    assert heads.find("x", "fw", (A, B), now=START).keys() == {A}
    assert heads.find("y", "fw", (A,), now=START) == {}
    assert heads.find("x", "other", (A,), now=START) == {}


def test_they_end(heads: SqlRegisteredHeads, database: Database) -> None:
    keep(heads, A)
    last = START + MINUTES - timedelta(microseconds=1)
    assert heads.find("x", "fw", (A,), now=last).keys() == {A}
    assert heads.find("x", "fw", (A,), now=START + MINUTES) == {}
    keep(heads, B, who="y", after=MINUTES)
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(registered_heads)).scalar_one() == 1


def test_the_same_again_stays_longer_and_is_one(heads: SqlRegisteredHeads) -> None:
    keep(heads, A)
    keep(heads, A, after=timedelta(minutes=5))
    assert heads.find("x", "fw", (A,), now=START + MINUTES)[A].endswith(b"0:05:00")
    keep(heads, B, after=timedelta(minutes=5))


def test_of_one_identity_there_are_so_many_whatever_the_key(heads: SqlRegisteredHeads) -> None:
    keep(heads, A)
    keep(heads, B, key="other", after=timedelta(minutes=1))
    with pytest.raises(HeadsExhausted) as refused:
        keep(heads, C, after=timedelta(minutes=4))
    assert (refused.value.limit, refused.value.retry_after) == (2, 360)
    keep(heads, C, who="y")
    keep(heads, C, after=MINUTES)
