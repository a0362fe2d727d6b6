"""Certificates of servers, in SQL.

1. The head of the log is locked in each change: two that were decided at once follow each other, and the second finds
   that its certificates are not as they were.
2. What devices are told to trust is read together with the digest of what gives power, and compared with what the log
   says of it: a row that was planted is in no bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from signer.domain.events import Event
from signer.domain.server_certificates import (
    TRANSITIONS,
    PrivateHalf,
    ServerCertificate,
    ServerCertificates,
    ServerCertificateState,
)
from signer.errors.server_certificates import (
    NextServerCertificateExists,
    ServerCertificateOnRecord,
    ServerCertificatesChanged,
)
from signer.services.ports import Clock
from signer.storage import record_statements as sql
from signer.storage.database import Database, retried
from signer.storage.log_append import read_head
from signer.storage.log_transaction import LogTransaction, compare_access, logged
from signer.storage.server_certificate_tables import server_certificates

S = ServerCertificateState
_ROWS = server_certificates.c


class SqlServerCertificates:
    """``services.server_certificate_ports.ServerCertificateStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._statements = (
            sql.statements(database.dialect) if database.dialect == "sqlite" else sql.PostgresStatements(locking=False)
        )

    def names(self) -> tuple[str, ...]:
        """The servers, by name."""
        with self._database.reading() as connection:
            return tuple(sorted(connection.execute(select(_ROWS.name).distinct()).scalars()))

    def of(self, name: str) -> ServerCertificates:
        """Its certificates; raises ``AccessTampered``."""
        with self._database.snapshot() as connection:
            head = read_head(self._statements, self._statements.rows(connection, sql.HEAD, {})[0])
            if head.size:
                compare_access(connection, head)
            return _of(connection, name)

    def active_fingerprint(self, name: str) -> str | None:
        """Of the active one."""
        active = select(_ROWS.fingerprint).where(_ROWS.name == name, _ROWS.state == S.ACTIVE.value)
        with self._database.reading() as connection:
            found: str | None = connection.execute(active).scalar()
        return found

    @retried
    def add(self, certificate: ServerCertificate, event: Event) -> None:
        """A new one, in the state that it has."""
        with logged(self._database, self._clock) as log:
            _require_new(_of(log.connection, certificate.name), certificate)
            log.connection.execute(insert(server_certificates).values(_values(certificate)))
            log.tell(event)

    @retried
    def record(self, event: Event) -> None:
        """Something happened that changes no certificate."""
        with logged(self._database, self._clock) as log:
            log.tell(event)

    @retried
    def publish(self, certificate: ServerCertificate, event: Event) -> None:
        """A bundle with it is given out; nothing where one was before."""
        with logged(self._database, self._clock) as log:
            found = _locked(log, certificate)
            if found.published_at is None:
                _change(log, found, published_at=self._clock())
                log.tell(event)

    @retried
    def switch(self, following: ServerCertificate, active: ServerCertificate | None, event: Event) -> None:
        """The next becomes active, and the active previous."""
        with logged(self._database, self._clock) as log:
            now, found = self._clock(), _of(log.connection, following.name)
            if _mark(found.active) != _mark(active):
                raise ServerCertificatesChanged(name=following.name)
            if active is not None:
                _move(log, active, S.PREVIOUS)
            _move(log, following, S.ACTIVE, switched_at=now)
            log.tell(event)

    @retried
    def retire(self, certificate: ServerCertificate, event: Event) -> None:
        """It leaves the bundle."""
        with logged(self._database, self._clock) as log:
            _move(log, certificate, S.RETIRED, retired_at=self._clock())
            log.tell(event)

    @retried
    def tell_expiry(self, certificate: ServerCertificate, step: int, event: Event) -> bool:
        """Put on record that it ends within ``step`` days; False where another process did."""
        with logged(self._database, self._clock) as log:
            found = _locked(log, certificate)
            if found.told_days is not None and found.told_days <= step:
                return False
            _change(log, found, told_days=step)
            log.tell(event)
        return True


def _require_new(found: ServerCertificates, certificate: ServerCertificate) -> None:
    for each in found.certificates:
        if each.fingerprint == certificate.fingerprint:
            raise ServerCertificateOnRecord(name=each.name, certificate=each.fingerprint, state=each.state.value)
    if certificate.state is S.NEXT and found.next is not None:
        raise NextServerCertificateExists(name=certificate.name, certificate=found.next.fingerprint)
    if certificate.state is S.ACTIVE and found.active is not None:
        raise ServerCertificatesChanged(name=certificate.name)


def _of(connection: Connection, name: str) -> ServerCertificates:
    rows = connection.execute(select(server_certificates).where(_ROWS.name == name)).mappings()
    found = sorted((_certificate(row) for row in rows), key=lambda each: (each.created_at, each.fingerprint))
    return ServerCertificates(name=name, certificates=tuple(found))


def _locked(log: LogTransaction, certificate: ServerCertificate) -> ServerCertificate:
    """The certificate as it is now; raises ``ServerCertificatesChanged`` where its state is another."""
    for each in _of(log.connection, certificate.name).certificates:
        if _mark(each) == _mark(certificate):
            return each
    raise ServerCertificatesChanged(name=certificate.name)


def _mark(certificate: ServerCertificate | None) -> tuple[str, S] | None:
    return None if certificate is None else (certificate.fingerprint, certificate.state)


def _move(log: LogTransaction, certificate: ServerCertificate, state: S, **values: Any) -> None:
    found = _locked(log, certificate)
    if state not in TRANSITIONS[found.state]:
        raise ServerCertificatesChanged(name=found.name)
    _change(log, found, state=state.value, **values)


def _change(log: LogTransaction, certificate: ServerCertificate, **values: Any) -> None:
    one = (_ROWS.name == certificate.name, _ROWS.fingerprint == certificate.fingerprint)
    log.connection.execute(update(server_certificates).where(*one).values(values))


def _values(certificate: ServerCertificate) -> Mapping[str, Any]:
    values = {field.name: getattr(certificate, field.name) for field in fields(certificate)}
    return values | {"state": certificate.state.value, "private_half": certificate.private_half.value}


def _certificate(row: RowMapping) -> ServerCertificate:
    values = dict(row)
    values |= {"state": S(values["state"]), "private_half": PrivateHalf(values["private_half"])}
    return ServerCertificate(**values)
