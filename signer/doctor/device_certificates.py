"""The CAs of devices that issue here: their keys, what believes them, and devices whose certificates end."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from signer.client_ca_settings import ClientCaSettings
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.domain.keys import Key, Purpose
from signer.errors import CertificateNotFound, ClientCaUnusable
from signer.services.device_certificate_administration import ENDING
from signer.storage.device_certificate_store import SqlDeviceCertificates
from signer.storage.key_store import SqlKeyStore
from signer.tls import read_table

# Devices that renew have done so long before.
LATE, LAST = "30d", "7d"


def device_certificates(examination: Examination) -> Iterator[Finding]:
    """As the module says."""
    tables = [table for table in examination.settings.client_ca if table.key is not None]
    if not tables:
        yield ok("no CA of devices issues here")
        return
    database, clock = examination.usable_database(), examination.surroundings.clock
    store = SqlKeyStore(database=database, clock=clock)
    keys, now = {key.name: key for key in store.all_keys()}, clock()
    records = SqlDeviceCertificates(database=database, clock=clock)
    ending = records.ending({name: now + each for name, each in ENDING.items()})
    for table in tables:
        findings = [
            *_of_key(table, keys, store),
            *_ends(table.name, {name: ending.get((table.name, name), 0) for name in ENDING}),
        ]
        yield from or_ok(
            findings, f"the CA of devices {table.name} issues, and no device's certificate ends within 30 days"
        )


def _of_key(table: ClientCaSettings, keys: dict[str, Key], store: SqlKeyStore) -> Iterator[Finding]:
    key = keys.get(table.key or "")
    if key is None or key.purpose is not Purpose.DEVICE_CA:
        what = "there is no key" if key is None else f"for {key.purpose} is the key"
        yield failed(
            f"the CA of devices {table.name} issues nothing: {what} {table.key}",
            f"artifact-signer keys create NAME --purpose {Purpose.DEVICE_CA}, and name it in client_ca.key",
        )
        return
    if key.active is None:
        yield failed(
            f"the CA of devices {table.name} issues nothing: no version of the key {key.name} signs",
            f"artifact-signer keys show {key.name}; enable a version, or prepare one and rotate",
        )
        return
    if not believes(table, key, key.active.number, store):
        yield failed(
            f"the file of the CA of devices {table.name} does not hold the certificate of version {key.active.number}",
            f"artifact-signer keys certificate {key.name} --version {key.active.number} >> {table.file}, and send HUP",
        )


def believes(table: ClientCaSettings, key: Key, number: int, store: SqlKeyStore) -> bool:
    """Whether the file of the CA holds the certificate of this version of its key."""
    try:
        own = x509.load_pem_x509_certificate(store.certificate(key, number).pem.encode("ascii"))
        return any(issuer.public_key() == own.public_key() for issuer in read_table(table).issuers)
    except (CertificateNotFound, ClientCaUnusable):
        return False


def _ends(name: str, ending: dict[str, int]) -> Iterator[Finding]:
    if late := ending[LATE]:
        detail = f", {ending[LAST]} within 7 days or already"
        yield warning(
            f"certificates of {late} devices of the CA {name} end within 30 days{detail}",
            f"artifact-signer devices certificates list --ca {name} --within-days 30; find out why they do not renew",
        )
