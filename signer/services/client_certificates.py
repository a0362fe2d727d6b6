"""Revoking clients' certificates: on record, with who did it and why."""

from __future__ import annotations

from collections.abc import Collection

from signer.domain.events import Event, EventType
from signer.domain.reasons import checked_reason
from signer.domain.serial_numbers import checked_serial
from signer.errors import ClientCaNotFound
from signer.services.access_ports import RevokedCertificate, RevokedCertificates


class ClientCertificateAdministration:
    """Keeps the list. Safe for threads. ``cas``: the names of the CAs in the settings."""

    def __init__(self, *, store: RevokedCertificates, cas: Collection[str]) -> None:
        self._store = store
        self._cas = frozenset(cas)

    def revoked(self) -> tuple[RevokedCertificate, ...]:
        """All that are revoked, by CA and serial number."""
        return self._store.all_revoked()

    def revoked_of(self, ca: str) -> tuple[RevokedCertificate, ...]:
        """Those of one CA; raises ``ClientCaNotFound``."""
        if ca not in self._cas:
            raise ClientCaNotFound(ca=ca)
        return tuple(each for each in self._store.all_revoked() if each.ca == ca)

    def revoke(self, ca: str, unverified_serial: str, *, reason: str, actor: str) -> bool:
        """Let the certificate prove nothing any more, in no worker; False where it did not before.

        Raises ``ClientCaNotFound``, ``SerialNumberInvalid`` or ``ReasonInvalid``.
        """
        if ca not in self._cas:
            # A name that is written wrong would revoke nothing, and look as if it did.
            raise ClientCaNotFound(ca=ca)
        serial, why = checked_serial(unverified_serial), checked_reason(reason)
        event = Event(
            type=EventType.CLIENT_CERTIFICATE_REVOKED,
            actor=actor,
            key=None,
            version=None,
            before={},
            after={"ca": ca, "serial": serial, "reason": why},
        )
        return self._store.revoke(ca, serial, reason=why, event=event)
