"""Devices, for those who administer them: what there is, and what is decided about it. ``actor``: who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from signer.domain.device_changes import (
    Plan,
    decided,
    decommissioned,
    dismissed,
    introduced,
    planned,
    preauthorized,
)
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import AuthSet, Device, DeviceStatus
from signer.errors import AuthSetNotFound, AuthSetOfAnotherDevice
from signer.services.device_ports import DevicePage, DeviceQuery, DeviceRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Preauthorization:
    """A device to be accepted as soon as it asks. ``force``: also where its identity is known."""

    unverified_identity: str
    unverified_pem: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The next key of a device, in PEM; None: awaited for as long as the installation says."""

    unverified_pem: str
    awaited_for: timedelta | None = None
    overlap: timedelta = timedelta(0)


class DeviceAdministration:
    """Safe for threads. ``max_devices``: how many may be accepted; None: any number."""

    def __init__(
        self,
        *,
        records: DeviceRecords,
        clock: Callable[[], datetime],
        max_devices: int | None,
        next_key_lifetime: timedelta,
    ) -> None:
        self._records = records
        self._clock = clock
        self._next_key_lifetime = next_key_lifetime
        self.max_devices = max_devices

    def now(self) -> datetime:
        """The moment that what is awaited is compared with."""
        return self._clock()

    def devices(self, query: DeviceQuery) -> DevicePage:
        """A page of them, by status and id."""
        return self._records.devices(query)

    def count(self, status: DeviceStatus | None) -> int:
        """How many there are, or of a status."""
        return self._records.count(status)

    def device(self, device_id: str) -> Device:
        """One; raises ``DeviceNotFound``."""
        return self._records.device(device_id)

    def decide(self, device_id: str, auth_set: str, unverified_status: str, *, actor: str) -> Device:
        """Accept, reject or hold back a key.

        Raises ``DeviceStepNotAllowed``, ``DeviceLimitReached``, ``DeviceNotFound``, ``AuthSetNotFound`` or
        ``AuthSetOfAnotherDevice``.
        """
        try:
            return self._records.change(
                device_id, lambda device, around: decided(device, auth_set, unverified_status, around, actor=actor)
            )
        except AuthSetNotFound:
            if self._records.has_set(auth_set):
                raise AuthSetOfAnotherDevice(device=device_id, auth_set=auth_set) from None
            raise

    def preauthorize(self, new: Preauthorization, *, actor: str) -> tuple[Device, bool]:
        """The device, and whether it is to be accepted now: False where its identity is known and nothing was done.

        Raises ``DeviceIdentityInvalid``, ``DeviceKeyInvalid`` or ``DeviceKeysExhausted``.
        """
        identity = DeviceIdentity.of_text(new.unverified_identity)
        key = DevicePublicKey.of_pem(new.unverified_pem)
        return self._records.introduce(
            identity,
            lambda around: introduced(identity, key, around, actor=actor),
            (lambda device, around: preauthorized(device, key, around, actor=actor)) if new.force else None,
        )

    def replace(self, device_id: str, auth_set: str, new: Replacement, *, actor: str) -> AuthSet:
        """Plan the next key of an accepted device: the set that is awaited.

        Raises ``DeviceKeyInvalid``, ``DeviceStepNotAllowed``, ``DeviceKeyTaken``, ``DeviceKeysExhausted``,
        ``DeviceNotFound`` or ``AuthSetNotFound``.
        """
        key = DevicePublicKey.of_pem(new.unverified_pem)
        plan = Plan(key=key, awaited_for=new.awaited_for or self._next_key_lifetime, overlap=new.overlap)
        after = self._records.change(
            device_id, lambda device, around: planned(device, auth_set, plan, around, actor=actor)
        )
        awaited = after.with_key(key)
        if awaited is None:
            raise AuthSetNotFound(device=device_id, auth_set=auth_set)
        return awaited

    def dismiss(self, device_id: str, auth_set: str, *, actor: str) -> None:
        """Take a key from a device; raises ``DeviceNotFound`` or ``AuthSetNotFound``."""
        self._records.change(device_id, lambda device, around: dismissed(device, auth_set, around, actor=actor))

    def decommission(self, device_id: str, *, actor: str) -> None:
        """Let the device be none of the installation's; raises ``DeviceNotFound``."""
        self._records.change(device_id, lambda device, around: decommissioned(device, around, actor=actor))

    def revoke_token(self, jti: str, *, actor: str) -> None:
        """Let one token hold no longer; raises ``DeviceTokenNotFound``."""
        self._records.revoke_token(jti, actor=actor)
