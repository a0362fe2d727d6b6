"""A CA of devices whose key is in the token: it issues, renews and revokes the certificates that they come with.

1. Of whoever asks the public key alone is taken. What the certificate says comes from the identity, by the field and
   attribute that the settings name.
2. A certificate leaves when it is on record, and only if this service would take it for that very device.
3. A device renews with the certificate that it has, beside its token, when that is about to end. The same request
   again gets the same certificate, for an answer may be lost.
4. How many certificates of one identity hold is bounded: a device that keeps asking fills no log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signer.domain.certificate_authority import CertificateTemplate, CertificateUse, IssuedCertificate
from signer.domain.certificate_requests import RequestedKey, read_certificate_request
from signer.domain.client_certificates import ProvedCertificate
from signer.domain.client_choices import IdentityField
from signer.domain.device_certificates import bound_certificate, identity_value, require_same
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_names import named
from signer.domain.devices import AuthSet, AuthStatus, Device
from signer.domain.events import Event, EventType
from signer.domain.keys import Key, KeyVersion
from signer.domain.timestamps import rfc3339
from signer.domain.token_claims import VerifiedToken
from signer.errors import (
    AuthSetNotFound,
    ClientCaNotFound,
    ClientCertificateIssuerUnknown,
    DeviceKeyTaken,
    DeviceNotFound,
    DeviceRefusal,
    DeviceRefused,
)
from signer.errors.device_certificates import (
    DeviceCaInactive,
    DeviceCaNotIssuing,
    DeviceCaNotTrusted,
    DeviceCertificateMissing,
    DeviceCertificateNotDue,
)
from signer.services.certificate_authority import CertificateAuthority
from signer.services.device_ca_ports import DeviceCertificateRecord, DeviceCertificateRecords
from signer.services.device_ports import DeviceRecords
from signer.services.ports import KeyStore

# Of one identity and CA: the one in use, the next, and what went wrong.
MOST_CERTIFICATES = 8
# For clocks of devices that are behind.
MARGIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuingCa:
    """A CA of the settings that issues here.

    Attributes:
        key: name of its key in the token.
        lifetime: of a certificate; ``renewal``: how long before its end it may be renewed.
        list_lifetime: of a list of revoked certificates.
    """

    name: str
    key: str
    field: IdentityField
    attribute: str
    lifetime: timedelta
    renewal: timedelta
    list_lifetime: timedelta


class DeviceCa:
    """All CAs that issue here. For threads.

    ``proved``: what a certificate (DER) proves by the CAs of the settings. ``others``: names of CAs of devices that
    issue elsewhere.
    """

    def __init__(
        self,
        *,
        cas: Iterable[IssuingCa],
        others: Iterable[str],
        authority: CertificateAuthority,
        keys: KeyStore,
        records: DeviceCertificateRecords,
        devices: DeviceRecords,
        proved: Callable[[bytes], ProvedCertificate],
        clock: Callable[[], datetime],
    ) -> None:
        self._cas = {ca.name: ca for ca in cas}
        self._others = frozenset(others)
        self._authority = authority
        self._keys = keys
        self._records = records
        self._devices = devices
        self._proved = proved
        self._clock = clock

    def ca(self, name: str) -> IssuingCa:
        """One; raises ``ClientCaNotFound`` or ``DeviceCaNotIssuing``."""
        found = self._cas.get(name)
        if found is None:
            raise DeviceCaNotIssuing(ca=name) if name in self._others else ClientCaNotFound(ca=name)
        return found

    def issue(
        self, ca_name: str, unverified_request: bytes, identity: DeviceIdentity, *, actor: str
    ) -> DeviceCertificateRecord:
        """A certificate for the key of the request, which is that of the device of this identity.

        Raises ``ClientCaNotFound``, ``DeviceCaNotIssuing``, ``CertificateRequestInvalid``, ``DeviceKeyInvalid``,
        ``DeviceKeyTaken``, ``DeviceNameUnfit``, ``DeviceCertificatesExhausted``, ``DeviceCaInactive``,
        ``DeviceCaNotTrusted``, and what ``CertificateAuthority.issue`` raises.
        """
        ca, requested = self.ca(ca_name), read_certificate_request(unverified_request)
        self._require_not_taken(identity, requested)
        return self._issue(ca, requested, identity, actor=actor, renews=None)

    def renew(
        self, token: VerifiedToken, shown: ProvedCertificate | None, requested: RequestedKey
    ) -> DeviceCertificateRecord:
        """The next certificate of a device that comes with its token and the one before, ``shown``: valid, not revoked.

        ``requested``: its own key, or its next one, which the certificate will have accepted. Raises as
        ``issue`` does; ``DeviceRefused``, a ``DeviceCertificateRefused`` or ``DeviceCertificateNotDue``.
        """
        if shown is None:
            raise DeviceCertificateMissing
        device, auth_set = self._holder(token)
        require_same(shown, key_sha256=auth_set.key.sha256, client_ca=auth_set.client_ca)
        bound_certificate(shown, device.identity, auth_set.key)
        ca = self.ca(shown.ca)
        due = shown.not_after - ca.renewal
        if self._clock() < due:
            raise DeviceCertificateNotDue(renewable_from=due)
        again = self._issued_before(ca, requested, device.identity)
        if again is not None:
            return again
        if requested.device_key.sha256 != auth_set.key.sha256:
            self._require_not_taken(device.identity, requested)
        return self._issue(ca, requested, device.identity, actor=f"device:{device.id}", renews=shown.serial)

    def _holder(self, token: VerifiedToken) -> tuple[Device, AuthSet]:
        try:
            device = self._devices.device(token.subject)
            auth_set = device.set_of(token.auth_set or "")
        except (DeviceNotFound, AuthSetNotFound):
            raise DeviceRefused(reason=DeviceRefusal.TOKEN) from None
        if auth_set.status is not AuthStatus.ACCEPTED or not self._devices.holds(token.jti, auth_set.id):
            raise DeviceRefused(reason=DeviceRefusal.TOKEN)
        return device, auth_set

    def _issued_before(
        self, ca: IssuingCa, requested: RequestedKey, identity: DeviceIdentity
    ) -> DeviceCertificateRecord | None:
        """What this key got already, unless that is to be renewed itself."""
        found = self._records.newest(ca.name, identity.sha256, requested.device_key.sha256)
        return found if found is not None and found.not_after - ca.renewal > self._clock() else None

    def _require_not_taken(self, identity: DeviceIdentity, requested: RequestedKey) -> None:
        if self._devices.was_key_of(identity, requested.device_key):
            device = self._devices.known(identity)
            raise DeviceKeyTaken(device="" if device is None else device.id)

    def _issue(
        self, ca: IssuingCa, requested: RequestedKey, identity: DeviceIdentity, *, actor: str, renews: str | None
    ) -> DeviceCertificateRecord:
        key = self._keys.key(ca.key)
        version = key.active
        if version is None:
            raise DeviceCaInactive(ca=ca.name, key=key.name)
        value = identity_value(identity, ca.attribute)
        subject, names = named(value, field=ca.field, attribute=ca.attribute, identity=identity)
        template = CertificateTemplate(
            use=CertificateUse.DEVICE,
            subject=subject,
            names=names,
            public_key=requested.public_key,
            lifetime=ca.lifetime,
            margin=MARGIN,
        )
        issued = self._authority.issue(key, version, template)
        der = x509.load_pem_x509_certificate(issued.pem.encode("ascii")).public_bytes(Encoding.DER)
        self._require_taken(ca, key, version, der, identity, requested)
        record = _record(ca, issued, der, requested, identity, actor=actor, renews=renews, now=self._clock())
        self._records.add(record, _event(record, key, version), most=MOST_CERTIFICATES)
        return record

    def _require_taken(
        self,
        ca: IssuingCa,
        key: Key,
        version: KeyVersion,
        der: bytes,
        identity: DeviceIdentity,
        requested: RequestedKey,
    ) -> None:
        """This service takes the certificate for that of this device: else its file is another CA's, or an old one."""
        try:
            proved = self._proved(der)
        except ClientCertificateIssuerUnknown:
            raise DeviceCaNotTrusted(ca=ca.name, key=key.name, version=version.number) from None
        if bound_certificate(proved, identity, requested.device_key).ca != ca.name:
            raise DeviceCaNotTrusted(ca=ca.name, key=key.name, version=version.number)


def _record(
    ca: IssuingCa,
    issued: IssuedCertificate,
    der: bytes,
    requested: RequestedKey,
    identity: DeviceIdentity,
    *,
    actor: str,
    renews: str | None,
    now: datetime,
) -> DeviceCertificateRecord:
    return DeviceCertificateRecord(
        ca=ca.name,
        serial=issued.serial,
        identity_sha256=identity.sha256,
        key_sha256=requested.device_key.sha256,
        sha256=hashlib.sha256(der).hexdigest(),
        not_before=issued.not_before,
        not_after=issued.not_after,
        issued_at=now,
        actor=actor,
        renews=renews,
        certificate=der,
    )


def _event(record: DeviceCertificateRecord, key: Key, version: KeyVersion) -> Event:
    after: Mapping[str, object] = {
        "ca": record.ca,
        "serial": record.serial,
        "certificate": record.sha256,
        "identity_sha256": record.identity_sha256,
        "fingerprint": record.key_sha256,
        "not_after": rfc3339(record.not_after),
        **({} if record.renews is None else {"renews": record.renews}),
    }
    return Event(
        type=EventType.DEVICE_CERTIFICATE_ISSUED,
        actor=record.actor,
        key=key.name,
        version=version.number,
        before={},
        after=after,
    )
