"""What workers tell each other, on each kind of database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from signer.domain.workers import Condition, Worker, WorkerReport
from signer.storage.database import Database
from signer.storage.worker_store import FORGOTTEN_AFTER, SqlWorkerStore, reports_of
from tests.support.clock import START, ManualClock
from tests.support.databases import Opener

FIRST = Worker(service="host/1/1", machine="host", pid=10, started=100)
SECOND = replace(FIRST, pid=11, started=101)
STRANGER = replace(FIRST, service="host/2/2", pid=12)
ELSEWHERE = Worker(service="other/1/1", machine="other", pid=10, started=100)


def report(worker: Worker, **fields: object) -> WorkerReport:
    made = WorkerReport(
        worker=worker,
        proved=12345.678901234,
        failed=None,
        seen=12346.5,
        checked_at=START,
        conditions=(
            Condition(name="key a", code=None, since=START),
            Condition(name="key b", code="version-expired", since=START - timedelta(days=1), vital=False),
        ),
    )
    return replace(made, **fields)  # type: ignore[arg-type]


class Machine:
    """Stores of several workers on one database; ``dead`` names those that are gone."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self._database, self._clock = database, clock
        self.dead: set[Worker] = set()

    def store(self, worker: Worker) -> SqlWorkerStore:
        return SqlWorkerStore(
            database=self._database,
            worker=worker,
            is_alive=lambda asked: asked not in self.dead,
            clock=self._clock,
        )

    def write(self, *workers: Worker) -> None:
        for worker in workers:
            self.store(worker).write(report(worker))

    def on_record(self, machine: str = "host") -> set[Worker]:
        return {found.worker for found in reports_of(self._database, machine)}


@pytest.fixture
def database(open_database: Opener) -> Database:
    return open_database()


@pytest.fixture
def machine(database: Database, clock: ManualClock) -> Machine:
    return Machine(database, clock)


def test_a_report_comes_back_as_it_was_written(machine: Machine) -> None:
    machine.write(FIRST)
    assert machine.store(SECOND).others() == (report(FIRST),)


def test_a_worker_has_one_report(machine: Machine) -> None:
    machine.write(FIRST, FIRST)
    failed = report(FIRST, proved=None, failed=5.0, checked_at=None, conditions=())
    machine.store(FIRST).write(failed)
    assert machine.store(SECOND).others() == (failed,)


def test_others_are_the_living_workers_of_the_same_service(machine: Machine) -> None:
    machine.write(FIRST, SECOND, STRANGER, ELSEWHERE)
    store = machine.store(FIRST)
    assert [found.worker for found in store.others()] == [SECOND]
    machine.dead.add(SECOND)
    assert store.others() == ()


def test_who_is_gone_is_forgotten_with_the_next_write(machine: Machine) -> None:
    machine.write(FIRST, SECOND)
    machine.dead.add(SECOND)
    store = machine.store(FIRST)
    store.others()
    store.write(report(FIRST))
    assert machine.on_record() == {FIRST}


def test_what_a_machine_that_is_gone_left_is_forgotten_after_a_day(machine: Machine, clock: ManualClock) -> None:
    machine.write(ELSEWHERE)
    clock.now += FORGOTTEN_AFTER
    machine.write(FIRST)
    assert machine.on_record("other") == {ELSEWHERE}
    clock.advance(seconds=1)
    machine.write(FIRST)
    assert machine.on_record("other") == set()


def test_a_worker_that_ends_leaves_nothing(machine: Machine) -> None:
    machine.write(FIRST, SECOND)
    machine.store(FIRST).remove()
    assert machine.on_record() == {SECOND}
