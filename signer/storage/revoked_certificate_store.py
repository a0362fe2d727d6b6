"""Revoked certificates of clients, in SQL. There is no way back: who needs one again has another one issued."""

from __future__ import annotations

from sqlalchemy import Select, func, insert, select

from signer.domain.events import Event
from signer.services.access_ports import RevokedCertificate
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.certificate_tables import revoked_certificates
from signer.storage.database import Database, retried
from signer.storage.device_state import move_device_revision
from signer.storage.log_transaction import logged


class SqlRevokedCertificates:
    """``services.access_ports.RevokedCertificates`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def is_revoked(self, ca: str, serial: str) -> bool:
        """Whether the certificate of this serial number of this CA is one."""
        with self._database.reading() as connection:
            return connection.execute(_one(ca, serial)).first() is not None

    def all_revoked(self) -> tuple[RevokedCertificate, ...]:
        """All of them, by CA and serial number."""
        with self._database.reading() as connection:
            found = [RevokedCertificate(**row) for row in connection.execute(select(revoked_certificates)).mappings()]
        return tuple(sorted(found, key=lambda each: (each.ca, each.serial)))

    def more_than(self, known: int) -> frozenset[tuple[str, str]] | None:
        """CA and serial number of each, where they are not ``known`` many: rows never go."""
        rows = revoked_certificates.c
        with self._database.snapshot() as connection:
            number = connection.execute(select(func.count()).select_from(revoked_certificates)).scalar_one()
            if number == known:
                return None
            return frozenset((row.ca, row.serial) for row in connection.execute(select(rows.ca, rows.serial)))

    @retried
    def revoke(self, ca: str, serial: str, *, reason: str, event: Event) -> bool:
        """Let it prove nothing any more; False where it did not before."""
        row = {"ca": ca, "serial": serial, "revoked_at": self._clock(), "actor": event.actor, "reason": reason}
        # The head of the log is locked: nobody else inserts the same row meanwhile.
        with logged(self._database, self._clock) as log:
            if log.connection.execute(_one(ca, serial)).first() is not None:
                return False
            log.connection.execute(insert(revoked_certificates).values(row))
            move_access_revision(log.connection)
            # A device's certificate is looked at beside its token.
            move_device_revision(log.connection)
            log.tell(event)
        return True


def _one(ca: str, serial: str) -> Select[tuple[str]]:
    rows = revoked_certificates.c
    return select(rows.serial).where(rows.ca == ca, rows.serial == serial)
