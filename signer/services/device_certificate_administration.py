"""Certificates of devices, for those who administer them: what was issued here, and what proves nothing any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from signer.domain.device_identity import DeviceIdentity
from signer.services.access_ports import RevokedCertificate
from signer.services.client_certificates import ClientCertificateAdministration
from signer.services.device_ca_ports import CertificateQuery, DeviceCertificateRecords, ListedCertificate
from signer.services.device_ports import DeviceRecords

# What is watched, from now on.
ENDING: Mapping[str, timedelta] = MappingProxyType(
    {"ended": timedelta(0), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateWish:
    """Which are asked for; ``device``: the id of one that is known; ``within``: those that end in this time."""

    ca: str | None = None
    device: str | None = None
    within: timedelta | None = None
    after: str = ""
    limit: int = 100


class DeviceCertificateAdministration:
    """Safe for threads. ``revocations``: of the CAs of devices alone."""

    def __init__(
        self,
        *,
        records: DeviceCertificateRecords,
        devices: DeviceRecords,
        revocations: ClientCertificateAdministration,
        clock: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._devices = devices
        self._revocations = revocations
        self._clock = clock

    def certificates(self, wish: CertificateWish) -> tuple[ListedCertificate, ...]:
        """By serial number; raises ``DeviceNotFound``."""
        identity = None if wish.device is None else self._devices.device(wish.device).identity.sha256
        ends_before = None if wish.within is None else self._clock() + wish.within
        query = CertificateQuery(
            ca=wish.ca, identity_sha256=identity, ends_before=ends_before, after=wish.after, limit=wish.limit
        )
        return self._records.certificates(query)

    def identity(self, device: str) -> DeviceIdentity:
        """Of a device that is known; raises ``DeviceNotFound``."""
        return self._devices.device(device).identity

    def ending(self) -> Mapping[tuple[str, str], int]:
        """How many devices have no certificate that holds after each of ``ENDING``, by CA and name of the time."""
        now = self._clock()
        return self._records.ending({name: now + each for name, each in ENDING.items()})

    def revoked(self, ca: str) -> tuple[RevokedCertificate, ...]:
        """Those of a CA of devices, issued here or elsewhere; raises ``ClientCaNotFound``."""
        return self._revocations.revoked_of(ca)

    def revoke(self, ca: str, unverified_serial: str, *, reason: str, actor: str) -> bool:
        """Let one prove nothing any more; False where it did not before.

        Raises ``ClientCaNotFound``, ``SerialNumberInvalid`` or ``ReasonInvalid``.
        """
        return self._revocations.revoke(ca, unverified_serial, reason=reason, actor=actor)
