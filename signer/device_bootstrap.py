"""Puts together what devices need: for the service, and for commands on the machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from signer.device_settings import DeviceSettings
from signer.domain.devices import MAX_KEYS
from signer.services.access_ports import RevokedCertificates
from signer.services.device_authentication import DeviceAuthentication
from signer.services.device_certificates import DeviceCertificates
from signer.services.device_import import DeviceImport
from signer.services.device_ports import CertificateReader, DeviceLimits, DeviceRecords
from signer.services.devices import DeviceAdministration
from signer.services.ports import Clock
from signer.services.token_state_ports import RevisionWatch
from signer.storage.database import Database
from signer.storage.device_import_store import SqlDeviceImport
from signer.storage.device_store import SqlDeviceStore


def device_records(settings: DeviceSettings, database: Database, clock: Clock) -> DeviceRecords:
    """Devices in this database."""
    limits = DeviceLimits(
        accepted=_bound(settings.max_devices),
        pending=settings.max_pending,
        pending_lifetime=timedelta(seconds=settings.pending_lifetime),
        per_address=settings.pending_per_address,
        keys=MAX_KEYS,
    )
    return SqlDeviceStore(database=database, clock=clock, limits=limits)


def device_administration(settings: DeviceSettings, records: DeviceRecords, clock: Clock) -> DeviceAdministration:
    """What is decided about them."""
    return DeviceAdministration(
        records=records,
        clock=clock,
        max_devices=_bound(settings.max_devices),
        next_key_lifetime=timedelta(seconds=settings.next_key_lifetime),
    )


def device_import(settings: DeviceSettings, database: Database, clock: Clock) -> DeviceImport:
    """What takes over devices of another server."""
    records = SqlDeviceImport(database=database, clock=clock, limit=_bound(settings.max_devices))
    return DeviceImport(records=records, clock=clock)


def device_authentication(
    settings: DeviceSettings, records: DeviceRecords, now: Callable[[], datetime]
) -> DeviceAuthentication:
    """What they ask themselves. ``now``: not believed where it leapt."""
    return DeviceAuthentication(
        records=records,
        clock=now,
        pending_lifetime=timedelta(seconds=settings.pending_lifetime),
        next_key_lifetime=timedelta(seconds=settings.next_key_lifetime),
    )


def device_certificates(
    settings: DeviceSettings, reader: CertificateReader, *, revoked: RevokedCertificates, watch: RevisionWatch
) -> DeviceCertificates:
    """What they come with."""
    return DeviceCertificates(reader=reader, revoked=revoked, watch=watch, demand=settings.certificates)


def _bound(most: int) -> int | None:
    return None if most < 0 else most
