"""What each worker says of itself, and what the service is, judged from all of them.

1. A worker is ready when nothing vital was broken in its last round, which ended in a durable write.
2. The service is ready when all of its workers are, and each has begun its round after the last fault that any found.
3. Times that are compared are those of the machine's monotonic clock, which its processes share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

OVERDUE = "proof-overdue"
PENDING = "proof-pending"
WORKERS_MISSING = "workers-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process of one running service.

    Attributes:
        service: what all its workers have in common, and no other service at any time.
        machine: host name, for people.
        started: when the process began, in a unit of its machine; tells it from a later one with its ``pid``.
    """

    service: str
    machine: str
    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that should work: ``code`` says what is wrong (None: nothing), ``since`` since when.

    Without a ``vital`` thing the service is not ready.
    """

    name: str
    code: str | None
    since: datetime
    vital: bool = True

    @property
    def broken(self) -> bool:
        """Whether the service is not ready because of it."""
        return self.vital and self.code is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What a worker last found.

    Attributes:
        proved: when its last round without a fault began, monotonic seconds; None before the first.
        failed: when a signature or a round last failed for a reason of the service, monotonic seconds; None: never.
        seen: when this was written, monotonic seconds.
        checked_at: when its last round ended, aware UTC; None before the first.
    """

    worker: Worker
    proved: float | None
    failed: float | None
    seen: float
    checked_at: datetime | None
    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """Whether this worker can sign, as far as it knows."""
        return self.proved is not None and not any(condition.broken for condition in self.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The service at this moment. ``workers``: how many are ready, of ``expected``."""

    ready: bool
    checked_at: datetime | None
    workers: int
    expected: int
    conditions: tuple[Condition, ...]


def judge(
    reports: Sequence[WorkerReport],
    *,
    expected: int,
    now: float,
    max_age: float,
    at: datetime,
    fault: float | None = None,
) -> Readiness:
    """The service, from the newest reports of its living workers.

    Args:
        expected: how many workers it has when all are there.
        now, max_age: monotonic seconds; a report that is older is no proof.
        at: the wall clock, for what is found by this very look.
        fault: when any worker last found a fault, where that is known before its report; monotonic seconds.
    """
    conditions = _merged(reports)
    if any(now - report.seen > max_age for report in reports):
        conditions.append(Condition(name="proof", code=OVERDUE, since=at))
    failures = (fault, *(report.failed for report in reports))
    failed = max((failure for failure in failures if failure is not None), default=None)
    ready = [report for report in reports if report.ready and _after(report.proved, failed)]
    if len(reports) < expected:
        conditions.append(Condition(name="workers", code=WORKERS_MISSING, since=at))
    elif len(ready) < len(reports) and not any(condition.broken for condition in conditions):
        conditions.append(Condition(name="proof", code=PENDING, since=at))
    return Readiness(
        ready=len(ready) >= expected and not any(condition.broken for condition in conditions),
        checked_at=max((report.checked_at for report in reports if report.checked_at), default=None),
        workers=len(ready),
        expected=expected,
        conditions=tuple(sorted(conditions, key=lambda condition: condition.name)),
    )


def _after(proved: float | None, failed: float | None) -> bool:
    return proved is not None and (failed is None or proved > failed)


def _merged(reports: Iterable[WorkerReport]) -> list[Condition]:
    """One condition for each name: broken as long as it is so for any worker, since the first one saw it."""
    merged: dict[str, Condition] = {}
    for condition in (condition for report in reports for condition in report.conditions):
        known = merged.get(condition.name)
        if known is None or _worse(condition, known):
            merged[condition.name] = condition
    return list(merged.values())


def _worse(one: Condition, other: Condition) -> bool:
    if (one.broken, one.code is not None) != (other.broken, other.code is not None):
        return (one.broken, one.code is not None) > (other.broken, other.code is not None)
    return one.since < other.since
