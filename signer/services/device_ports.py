"""What the services need of whoever keeps devices; ``storage`` provides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from signer.domain.auth_requests import Freshness
from signer.domain.client_certificates import ProvedCertificate
from signer.domain.credentials import Credentials
from signer.domain.device_changes import Around, Change
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import Device, DeviceStatus

Step = Callable[[Device, Around], Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLimits:
    """How many devices there may be.

    Attributes:
        accepted: None: any number.
        pending: keys about which nobody has decided, of all devices.
        pending_lifetime: after which such a key is forgotten, unless its device asks again.
        per_address: how many of them an address may make in an hour; 0: any number.
        keys: of one device, whatever was decided about them.
    """

    accepted: int | None
    pending: int
    pending_lifetime: timedelta
    per_address: int
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A key that nobody has decided about.

    Attributes:
        source: the network that its request came from, where one is known.
        vouched: a CA says whose key it is: it stays for no person to decide, and takes no stranger's place.
    """

    identity: DeviceIdentity
    key: DevicePublicKey
    source: str | None
    vouched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuery:
    """Which devices are asked for: of these statuses and ids, or of all; a page of them, the first is 1."""

    statuses: tuple[DeviceStatus, ...] = ()
    ids: tuple[str, ...] = ()
    page: int = 1
    per_page: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """Devices by status and id; ``more``: whether there are any after them."""

    devices: tuple[Device, ...]
    more: bool


class CertificateReader(Protocol):
    """Reads the certificates that devices come with."""

    def of_device(self, credentials: Credentials) -> ProvedCertificate | None:
        """The certificate, valid now; None without one. Does not wait; says nothing of revocation.

        Raises a ``CredentialsRejected`` for one that is no device's.
        """


class DeviceRecords(Protocol):
    """Devices and their keys. Every call is one transaction; raises what databases raise, too."""

    def known(self, identity: DeviceIdentity) -> Device | None:
        """The device of this identity; None where there is none, or it was decommissioned."""

    def device(self, device_id: str) -> Device:
        """One; raises ``DeviceNotFound``."""

    def devices(self, query: DeviceQuery) -> DevicePage:
        """A page of them."""

    def count(self, status: DeviceStatus | None) -> int:
        """How many there are, or of this status."""

    def has_set(self, auth_set: str) -> bool:
        """Whether any device has this authentication set."""

    def change(self, device_id: str, step: Step) -> Device:
        """What ``step`` makes of the device, on record with its events. Raises ``DeviceNotFound``, and what it raises.

        Tokens of a set that is not accepted any more hold no longer, for ever.
        """

    def introduce(
        self, identity: DeviceIdentity, newcomer: Callable[[Around], Change], step: Step | None
    ) -> tuple[Device, bool]:
        """A device that nobody knew, as ``newcomer`` makes it, and True.

        Where the identity is known: what ``step`` makes of its device and True, or without one the device and False.
        """

    def add_pending(self, newcomer: Newcomer) -> Device:
        """The device, with that key pending unless the key is known; raises ``DeviceRefused`` at a limit."""

    def note(self, device: Device, auth_set: str, freshness: Freshness | None) -> None:
        """The key has asked. Raises ``DeviceRefused`` where that was sent before, of two with one time for one."""

    def revoke_token(self, jti: str, *, actor: str) -> None:
        """Let one token of a device hold no longer; raises ``DeviceTokenNotFound``."""

    def was_key_of(self, identity: DeviceIdentity, key: DevicePublicKey) -> bool:
        """Whether the key was taken from a device of this identity."""

    def holds(self, jti: str, auth_set: str) -> bool:
        """Whether the token was issued to this set and was not revoked."""
