"""Several processes, each with threads, record at the same time: no limit is passed and nothing is written twice."""

from __future__ import annotations

from collections import Counter

import pytest

from signer.domain.access.limits import LimitDemand, Period
from signer.domain.keys import Validity
from tests.support import rivals
from tests.support.books import SqlBook
from tests.support.clock import ManualClock
from tests.support.crowd import PROCESSES, Crowd
from tests.support.databases import Opener

THREADS = 8


@pytest.fixture
def book(open_database: Opener, clock: ManualClock) -> SqlBook:
    return SqlBook(open_database(), clock)


def test_no_limit_is_passed(book: SqlBook, database_url: str, crowd: Crowd) -> None:
    limit = PROCESSES * THREADS * 10
    version = book.version(validity=Validity(signature_limit=limit))
    plan = rivals.RecordingPlan(version_ids=(version,), batches=5, batch=4, same=False)
    total = sum(crowd.everywhere(rivals.record_signatures, database_url, plan, THREADS), Counter())
    assert total == {"recorded": limit, "limit-reached": limit}
    assert book.signed(version)[0] == limit == len(book.written())


def test_no_limit_of_an_identity_is_passed(book: SqlBook, database_url: str, crowd: Crowd) -> None:
    limit = PROCESSES * THREADS * 10
    limits = (LimitDemand(period=Period.TOTAL, count=limit), LimitDemand(period=Period.DAY, count=4 * limit))
    versions = tuple(book.version() for _ in range(3))
    plan = rivals.RecordingPlan(version_ids=versions, batches=5, batch=4, same=False, limits=limits)
    total = sum(crowd.everywhere(rivals.record_signatures, database_url, plan, THREADS), Counter())
    assert total == {"recorded": limit, "count-reached": limit}
    assert sum(book.signed(version)[0] for version in versions) == limit == len(book.written())


def test_everybody_is_given_the_same_signature(book: SqlBook, database_url: str, crowd: Crowd) -> None:
    version = book.version(validity=Validity(signature_limit=8))
    plan = rivals.RecordingPlan(version_ids=(version,), batches=10, batch=8, same=True)
    total = sum(crowd.everywhere(rivals.record_signatures, database_url, plan, THREADS), Counter())
    assert total == {"recorded": 8, "repeated": PROCESSES * THREADS * 80 - 8}
    assert book.signed(version)[0] == 8 == len(book.written())


def test_several_keys_do_not_wait_for_each_other_in_a_circle(book: SqlBook, database_url: str, crowd: Crowd) -> None:
    versions = tuple(book.version() for _ in range(6))
    first = book.next_index()
    plan = rivals.RecordingPlan(version_ids=versions, batches=10, batch=6, same=False)
    total = sum(crowd.everywhere(rivals.record_signatures, database_url, plan, THREADS), Counter())
    count = PROCESSES * THREADS * 60
    assert total == {"recorded": count}
    assert sum(book.signed(version)[0] for version in versions) == count
    assert [each.index for each in book.written()] == list(range(first, first + count))


def test_changes_of_keys_beside_them_let_both_go_on(book: SqlBook, database_url: str, crowd: Crowd) -> None:
    versions = tuple(book.version() for _ in range(3))
    plan = rivals.RecordingPlan(version_ids=versions, batches=10, batch=6, same=False)
    recording = crowd.begin(rivals.record_while_keys_change, database_url, plan, THREADS)
    total = sum((future.result() for future in recording), Counter())
    recorded = total.pop("recorded")
    assert recorded + total.pop("stale", 0) == PROCESSES * (THREADS - 1) * 60
    assert total == {"changed": PROCESSES * 10}
    assert sum(book.signed(version)[0] for version in versions) == recorded == len(book.written())
