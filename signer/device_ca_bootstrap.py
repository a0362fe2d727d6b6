"""Puts together the CAs of devices whose keys are in the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from signer.client_ca_settings import ClientCaSettings
from signer.config import Settings
from signer.domain.client_certificates import ProvedCertificate
from signer.domain.client_choices import CaUse
from signer.services.access_ports import RevokedCertificates
from signer.services.certificate_authority import CertificateAuthority
from signer.services.device_ca import DeviceCa, IssuingCa
from signer.services.device_ca_ports import DeviceCertificateRecords
from signer.services.device_ports import DeviceRecords
from signer.services.device_revocation_lists import DeviceRevocationLists
from signer.services.ports import Clock, KeyStore
from signer.storage.database import Database
from signer.storage.device_certificate_store import SqlDeviceCertificates
from signer.storage.revoked_certificate_store import SqlRevokedCertificates


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCaParts:
    """What they need that has an outside. ``proved``: what a certificate (DER) proves by the CAs that are believed."""

    records: DeviceCertificateRecords
    revoked: RevokedCertificates
    proved: Callable[[bytes], ProvedCertificate]
    clock: Callable[[], datetime]


def device_ca_parts(database: Database, clock: Clock, proved: Callable[[bytes], ProvedCertificate]) -> DeviceCaParts:
    """Of a process that has this database open."""
    return DeviceCaParts(
        records=SqlDeviceCertificates(database=database, clock=clock),
        revoked=SqlRevokedCertificates(database=database, clock=clock),
        proved=proved,
        clock=clock,
    )


def device_ca(
    settings: Settings,
    parts: DeviceCaParts,
    *,
    keys: KeyStore,
    devices: DeviceRecords,
    authority: CertificateAuthority,
) -> tuple[DeviceCa, DeviceRevocationLists]:
    """What issues certificates, and what lists those that are revoked."""
    of_devices = [table for table in settings.client_ca if table.use is CaUse.DEVICE]
    issuing = DeviceCa(
        cas=[ca for table in of_devices if (ca := _issuing(table)) is not None],
        others=[table.name for table in of_devices if table.key is None],
        authority=authority,
        keys=keys,
        records=parts.records,
        devices=devices,
        proved=parts.proved,
        clock=parts.clock,
    )
    lists = DeviceRevocationLists(
        cas=issuing, authority=authority, keys=keys, records=parts.records, revoked=parts.revoked, clock=parts.clock
    )
    return issuing, lists


def _issuing(table: ClientCaSettings) -> IssuingCa | None:
    if table.key is None or table.field is None or table.attribute is None:
        return None
    return IssuingCa(
        name=table.name,
        key=table.key,
        field=table.field,
        attribute=table.attribute,
        lifetime=timedelta(days=table.certificate_days),
        renewal=timedelta(days=table.renewal_days),
        list_lifetime=timedelta(days=table.crl_days),
    )
