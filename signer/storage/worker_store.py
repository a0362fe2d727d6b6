"""What workers say of themselves, in SQL: one row for each, which only that worker writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select

from signer.domain.workers import Condition, Worker, WorkerReport
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.tables import workers

# A worker writes several times a minute; what is older than this was left by a machine that is gone.
FORGOTTEN_AFTER = timedelta(days=1)


class SqlWorkerStore:
    """``services.ports.WorkerReports`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, worker: Worker, is_alive: Callable[[Worker], bool], clock: Clock) -> None:
        self._database = database
        self._is_alive = is_alive
        self._clock = clock
        self._gone: tuple[Worker, ...] = ()
        self.worker = worker

    @retried
    def write(self, report: WorkerReport) -> None:
        """Put the report in the place of this worker's last one, durable when the call returns.

        Rows of workers that are gone are removed on the way.
        """
        now = self._clock()
        old = or_(_is(report.worker), workers.c.written_at < now - FORGOTTEN_AFTER, *(_is(gone) for gone in self._gone))
        with self._database.writing() as connection:
            connection.execute(delete(workers).where(old))
            connection.execute(insert(workers).values(_row(report, now)))
        self._gone = ()

    def remove(self) -> None:
        """Forget this worker."""
        with self._database.writing() as connection:
            connection.execute(delete(workers).where(_is(self.worker)))

    def others(self) -> tuple[WorkerReport, ...]:
        """The reports of all other workers of this service that are alive."""
        same = and_(workers.c.service == self.worker.service, ~_is(self.worker))
        with self._database.reading() as connection:
            found = _reports(connection, same)
        self._gone = tuple(report.worker for report in found if not self._is_alive(report.worker))
        return tuple(report for report in found if report.worker not in self._gone)


def reports_of(database: Database, machine: str) -> tuple[WorkerReport, ...]:
    """The last reports of all workers that ever ran on a machine, as far as they are on record."""
    with database.reading() as connection:
        return _reports(connection, workers.c.machine == machine)


def _is(worker: Worker) -> ColumnElement[bool]:
    return and_(workers.c.service == worker.service, workers.c.pid == worker.pid, workers.c.started == worker.started)


def _reports(connection: Connection, where: ColumnElement[bool]) -> tuple[WorkerReport, ...]:
    return tuple(_report(row) for row in connection.execute(select(workers).where(where)))


def _row(report: WorkerReport, now: datetime) -> Mapping[str, Any]:
    worker = report.worker
    return {
        "service": worker.service,
        "pid": worker.pid,
        "started": worker.started,
        "machine": worker.machine,
        "proved": report.proved,
        "failed": report.failed,
        "seen": report.seen,
        "written_at": now,
        "checked_at": report.checked_at,
        "conditions": [_document(condition) for condition in report.conditions],
    }


def _document(condition: Condition) -> dict[str, object]:
    return {
        "name": condition.name,
        "code": condition.code,
        "since": condition.since.isoformat(),
        "vital": condition.vital,
    }


def _report(row: Row[Any]) -> WorkerReport:
    return WorkerReport(
        worker=Worker(service=row.service, machine=row.machine, pid=row.pid, started=row.started),
        proved=row.proved,
        failed=row.failed,
        seen=row.seen,
        checked_at=row.checked_at,
        conditions=tuple(_conditions(row.conditions)),
    )


def _conditions(documents: Iterable[Mapping[str, Any]]) -> Iterable[Condition]:
    for document in documents:
        yield Condition(
            name=document["name"],
            code=document["code"],
            since=datetime.fromisoformat(document["since"]),
            vital=document["vital"],
        )
