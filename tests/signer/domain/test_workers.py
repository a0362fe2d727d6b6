"""What a service is, judged from the reports of its workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from signer.domain.workers import (
    OVERDUE,
    PENDING,
    WORKERS_MISSING,
    Condition,
    Worker,
    WorkerReport,
    judge,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MAX_AGE = 60.0
AT = 1000.0


def report(pid: int, *conditions: Condition, **fields: float | None) -> WorkerReport:
    """A worker that proved itself ten seconds ago."""
    made = WorkerReport(
        worker=Worker(service="host/1/1", machine="host", pid=pid, started=pid),
        proved=AT - 10,
        failed=None,
        seen=AT - 10,
        checked_at=NOW,
        conditions=conditions,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def condition(name: str, code: str | None, *, age: int = 0, vital: bool = True) -> Condition:
    return Condition(name=name, code=code, since=NOW - timedelta(seconds=age), vital=vital)


GOOD, BAD = condition("key a", None, age=60), condition("key a", "token-unavailable", age=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Reports of a service of two workers; what it is, and what is told as broken."""

    reports: tuple[WorkerReport, ...]
    ready: bool = False
    broken: tuple[tuple[str, str], ...] = ()


ROWS = {
    "two workers that proved themselves": Row(reports=(report(1, GOOD), report(2, GOOD)), ready=True),
    "one that failed and has signed since, and one that has too": Row(
        reports=(report(1, GOOD, failed=AT - 11), report(2, GOOD)), ready=True
    ),
    "what is not vital is broken": Row(
        reports=(report(1, GOOD), report(2, GOOD, condition("key b", "version-expired", vital=False))),
        ready=True,
        broken=(("key b", "version-expired"),),
    ),
    "three while one is being replaced": Row(reports=(report(1), report(2), report(3)), ready=True),
    "three of which the new one has not signed yet": Row(
        reports=(report(1), report(2), report(3, proved=None)), broken=(("proof", PENDING),)
    ),
    "one worker is missing": Row(reports=(report(1, GOOD),), broken=(("workers", WORKERS_MISSING),)),
    "no worker at all": Row(reports=(), broken=(("workers", WORKERS_MISSING),)),
    "one worker has not signed yet": Row(
        reports=(report(1, GOOD), report(2, proved=None)), broken=(("proof", PENDING),)
    ),
    "one worker cannot sign": Row(reports=(report(1, GOOD), report(2, BAD)), broken=(("key a", "token-unavailable"),)),
    "one failed after it signed": Row(
        reports=(report(1, GOOD, failed=AT - 5), report(2, GOOD)), broken=(("proof", PENDING),)
    ),
    "one failed while it was signing": Row(
        reports=(report(1, GOOD, failed=AT - 10), report(2, GOOD)), broken=(("proof", PENDING),)
    ),
    "one failed and has signed since, the other has not": Row(
        reports=(report(1, GOOD, failed=AT - 5, proved=AT - 4), report(2, GOOD)), broken=(("proof", PENDING),)
    ),
    "one is silent for too long": Row(
        reports=(report(1, GOOD), report(2, GOOD, seen=AT - MAX_AGE - 1)), broken=(("proof", OVERDUE),)
    ),
}


@pytest.mark.parametrize("sentence", ROWS)
def test_a_service(sentence: str) -> None:
    row = ROWS[sentence]
    for reports in (row.reports, row.reports[::-1]):
        found = judge(reports, expected=2, now=AT, max_age=MAX_AGE, at=NOW)
        assert found.ready is row.ready
        assert tuple((item.name, item.code) for item in found.conditions if item.code is not None) == row.broken


def test_what_is_broken_for_one_is_told_since_the_first_saw_it() -> None:
    later = condition("key a", "token-unavailable", age=1)
    reports = (report(1, later), report(2, BAD), report(3, GOOD))
    assert judge(reports, expected=3, now=AT, max_age=MAX_AGE, at=NOW).conditions == (BAD,)
