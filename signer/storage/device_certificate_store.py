"""Certificates of devices and lists of revoked ones, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, select

from signer.domain.events import Event
from signer.errors.device_certificates import DeviceCertificatesExhausted
from signer.services.device_ca_ports import (
    CertificateQuery,
    DeviceCertificateRecord,
    ListedCertificate,
    RevocationListRecord,
)
from signer.services.ports import Clock
from signer.storage.certificate_tables import revoked_certificates
from signer.storage.database import Database, retried
from signer.storage.device_certificate_tables import device_certificates, device_revocation_lists
from signer.storage.log_transaction import logged

_ROWS = device_certificates.c
_LISTS = device_revocation_lists.c
_WITH_REVOCATIONS = device_certificates.outerjoin(
    revoked_certificates,
    and_(revoked_certificates.c.ca == _ROWS.ca, revoked_certificates.c.serial == _ROWS.serial),
)
_HOLDS = revoked_certificates.c.serial.is_(None)


class SqlDeviceCertificates:
    """``services.device_ca_ports.DeviceCertificateRecords`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retried
    def add(self, record: DeviceCertificateRecord, event: Event, *, most: int) -> None:
        """As the port. The head of the log is locked: nobody else adds one meanwhile."""
        with logged(self._database, self._clock) as log:
            of_device = (_ROWS.ca == record.ca, _ROWS.identity_sha256 == record.identity_sha256)
            live = _joined(func.count()).where(*of_device, _ROWS.not_after > self._clock(), _HOLDS)
            if log.connection.execute(live).scalar_one() >= most:
                raise DeviceCertificatesExhausted(limit=most)
            log.connection.execute(insert(device_certificates).values(asdict(record)))
            log.tell(event)

    def newest(self, ca: str, identity_sha256: str, key_sha256: str) -> DeviceCertificateRecord | None:
        """As the port."""
        of_key = (_ROWS.ca == ca, _ROWS.identity_sha256 == identity_sha256, _ROWS.key_sha256 == key_sha256)
        query = _joined(*_ROWS).where(*of_key, _HOLDS).order_by(_ROWS.not_after.desc(), _ROWS.serial).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def certificates(self, query: CertificateQuery) -> tuple[ListedCertificate, ...]:
        """As the port."""
        chosen: list[ColumnElement[bool]] = [_ROWS.serial > query.after]
        if query.ca is not None:
            chosen.append(_ROWS.ca == query.ca)
        if query.identity_sha256 is not None:
            chosen.append(_ROWS.identity_sha256 == query.identity_sha256)
        if query.ends_before is not None:
            chosen += [_ROWS.not_after < query.ends_before, _ROWS.not_after > self._clock()]
        found = _joined(*_ROWS, revoked_certificates.c.revoked_at.label("revoked_at")).where(*chosen)
        with self._database.reading() as connection:
            rows = connection.execute(found.order_by(_ROWS.serial).limit(query.limit)).all()
        return tuple(ListedCertificate(record=_record(row), revoked_at=row.revoked_at) for row in rows)

    def ending(self, moments: Mapping[str, datetime]) -> Mapping[tuple[str, str], int]:
        """As the port."""
        last = (
            _joined(_ROWS.ca, func.max(_ROWS.not_after).label("end"))
            .where(_HOLDS)
            .group_by(_ROWS.ca, _ROWS.identity_sha256)
            .subquery()
        )
        counts = [
            func.count().filter(last.c.end <= moment).label(f"m{number}")
            for number, moment in enumerate(moments.values())
        ]
        with self._database.reading() as connection:
            rows = connection.execute(select(last.c.ca, *counts).group_by(last.c.ca)).all()
        return {(row[0], name): int(row[place]) for row in rows for place, name in enumerate(moments, start=1)}

    def revocation_list(self, ca: str, version: int) -> RevocationListRecord | None:
        """As the port."""
        with self._database.reading() as connection:
            row = connection.execute(_list(ca, version)).mappings().one_or_none()
        return None if row is None else RevocationListRecord(**row)

    @retried
    def replace_list(self, new: RevocationListRecord, before: RevocationListRecord | None, event: Event) -> bool:
        """As the port."""
        with logged(self._database, self._clock) as log:
            last = log.connection.execute(_list(new.ca, new.version)).one_or_none()
            if (None if last is None else last.number) != (None if before is None else before.number):
                return False
            of_version = (_LISTS.ca == new.ca, _LISTS.version == new.version)
            log.connection.execute(delete(device_revocation_lists).where(*of_version))
            log.connection.execute(insert(device_revocation_lists).values(asdict(new)))
            log.tell(event)
        return True


def _joined(*columns: Any) -> Select[Any]:
    return select(*columns).select_from(_WITH_REVOCATIONS)


def _list(ca: str, version: int) -> Select[Any]:
    return select(device_revocation_lists).where(_LISTS.ca == ca, _LISTS.version == version)


def _record(row: Row[Any]) -> DeviceCertificateRecord:
    return DeviceCertificateRecord(**{column.name: getattr(row, column.name) for column in _ROWS})
