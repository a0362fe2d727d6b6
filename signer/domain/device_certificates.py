"""What the certificate of a device proves of it, and what a key becomes that comes with one.

1. The key of the certificate is the key of the request; what the certificate says is not looked at before that is so.
2. A CA of devices that are named binds each certificate to one identity: the one value of its field is that of the
   identity's attribute, as text, whole, in the same spelling. A certificate of such a CA has its key accepted.
3. Without a name it binds the key alone: whose key that is, a person decides.
4. What was taken away does not come back by a certificate: a key that was rejected, dismissed, or decommissioned with
   its device is for a person to decide about.
5. A key that has come with a certificate needs one of that CA from then on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from signer.domain.client_certificates import ProvedCertificate
from signer.domain.client_choices import IdentityField
from signer.domain.device_changes import (
    Around,
    Change,
    accepted_by,
    displaced,
    event_of,
    require_room,
    touched,
)
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import AuthStatus, Device
from signer.domain.events import EventType
from signer.errors.device_certificates import (
    DeviceCertificateIdentityDiffers,
    DeviceCertificateKeyDiffers,
    DeviceCertificateOfAnotherCa,
    DeviceCertificateOfAnotherDevice,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCertificate:
    """A certificate that is that of a request. ``names_device``: it says whose key it is."""

    ca: str
    serial: str
    names_device: bool


def bound_certificate(
    certificate: ProvedCertificate, identity: DeviceIdentity, key: DevicePublicKey
) -> BoundCertificate:
    """The certificate as that of a device; raises what says why it is not."""
    if certificate.key_sha256 != key.sha256:
        raise DeviceCertificateKeyDiffers
    attribute = certificate.attribute
    if attribute is not None and identity_value(identity, attribute) != certificate.value:
        field = IdentityField(certificate.field or IdentityField.CN)
        raise DeviceCertificateIdentityDiffers(field=field.value, attribute=attribute)
    return BoundCertificate(ca=certificate.ca, serial=certificate.serial, names_device=attribute is not None)


def identity_value(identity: DeviceIdentity, attribute: str) -> str | None:
    """The text of a member of the identity; None without one."""
    value = json.loads(identity.text).get(attribute)
    return value if isinstance(value, str) else None


def require_same(certificate: ProvedCertificate, *, key_sha256: str | None, client_ca: str | None) -> None:
    """The certificate is that of the key with which a token was got.

    Raises ``DeviceCertificateOfAnotherDevice`` or ``DeviceCertificateOfAnotherCa``.
    """
    if certificate.key_sha256 != key_sha256:
        raise DeviceCertificateOfAnotherDevice
    if client_ca is not None and certificate.ca != client_ca:
        raise DeviceCertificateOfAnotherCa(ca=certificate.ca)


def certified(device: Device, auth_set: str, certificate: BoundCertificate, around: Around) -> Change:
    """A key has asked, with its certificate."""
    found = device.set_of(auth_set)
    awaited = found.status is AuthStatus.PREAUTHORIZED and not found.is_over(around.now)
    named = certificate.names_device and found.status is AuthStatus.PENDING
    if named and around.was_key_of(device.identity, found.key):
        return Change(device=device)
    holds = found.status is AuthStatus.ACCEPTED
    if not (holds or awaited or named) or (holds and found.client_ca == certificate.ca):
        return Change(device=device)
    require_room(device, around)
    after = accepted_by(device, replace(found, client_ca=certificate.ca), around.now)
    event = event_of(
        EventType.DEVICE_CERTIFIED if holds else EventType.DEVICE_ACCEPTED,
        f"device:{device.id}",
        after,
        found,
        before=found.status,
        after_status=AuthStatus.ACCEPTED,
        more={**displaced(device, found), "client_ca": certificate.ca, "serial": certificate.serial},
    )
    return touched(after, around, event)
