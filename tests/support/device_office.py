"""Devices and those who administer them, over one database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from signer.domain.auth_requests import read_auth_request, read_key_change
from signer.domain.client_certificates import ProvedCertificate
from signer.domain.devices import MAX_KEYS, Device
from signer.domain.events import Event
from signer.domain.keys import Purpose
from signer.domain.token_claims import DeviceSubject, TokenKind, VerifiedToken
from signer.errors import DeviceRefused
from signer.errors.device_certificates import DeviceCertificateRefused
from signer.services.device_authentication import AwaitedKey, DeviceAuthentication
from signer.services.device_ports import DeviceLimits
from signer.services.devices import DeviceAdministration, Preauthorization, Replacement
from signer.storage.database import Database
from signer.storage.device_state import device_revision
from signer.storage.device_store import SqlDeviceStore
from signer.storage.key_store import SqlKeyStore
from signer.storage.token_tables import issued_tokens
from tests.support.device_side import PrivateKey, SomeDevice, id_data, pem_of, signed
from tests.support.records import event, new_key, new_version

WEEK = timedelta(days=7)
ACTOR = "user:ops@example.com"
LIMITS = DeviceLimits(accepted=None, pending=100, pending_lifetime=WEEK, per_address=0, keys=MAX_KEYS)


def now_of(clock: Callable[[], datetime]) -> int:
    return int(clock().timestamp())


@dataclass
class Office:
    """What a worker does for devices, and short ways to what tests do most."""

    database: Database
    clock: Callable[[], datetime]
    limits: DeviceLimits = LIMITS

    def __post_init__(self) -> None:
        # A little later at each look, so that what is older is known to be.
        given, ticks = self.clock, itertools.count()
        self.clock = lambda: given() + timedelta(microseconds=next(ticks))
        self.store = SqlDeviceStore(database=self.database, clock=self.clock, limits=self.limits)
        self._keys = SqlKeyStore(database=self.database, clock=self.clock)
        self.authentication = DeviceAuthentication(
            records=self.store, clock=self.clock, pending_lifetime=WEEK, next_key_lifetime=WEEK
        )
        self.administration = DeviceAdministration(
            records=self.store, clock=self.clock, max_devices=None, next_key_lifetime=WEEK
        )

    def ask(
        self,
        device: SomeDevice,
        *,
        source: str | None = None,
        shown: ProvedCertificate | None = None,
        **more: Any,
    ) -> DeviceSubject:
        """A request of the device, with its certificate where it shows one; ``more``: members of it."""
        body = device.body(**more)
        return self.authentication.admit(read_auth_request(body).verified(device.sign(body)), source, shown)

    def outcome(self, device: SomeDevice, **more: Any) -> str:
        """``token``, or why there is none."""
        try:
            self.ask(device, **more)
        except DeviceRefused as refused:
            return refused.reason.value
        except DeviceCertificateRefused as refused:
            return refused.code
        return "token"

    def change_key(
        self,
        device: SomeDevice,
        next_key: PrivateKey,
        token: VerifiedToken,
        shown: ProvedCertificate | None = None,
        **more: Any,
    ) -> AwaitedKey:
        """The device asks for the change of its key."""
        body = device.change(next_key, **{"ts": now_of(self.clock), **more})
        change = read_key_change(body).verified(device.sign(body), signed(next_key, body))
        return self.authentication.change_key(change, token, shown)

    def known(self, device: SomeDevice) -> Device:
        """The device as it is on record."""
        found = self.store.known(device.identity)
        assert found is not None
        return found

    def set_of(self, device: SomeDevice) -> str:
        """The id of its key's set."""
        found = self.known(device).with_key(device.public_key)
        assert found is not None
        return found.id

    def statuses(self, device: SomeDevice) -> list[str]:
        """Of all its sets, the oldest first."""
        return [each.status.value for each in self.known(device).sets]

    def decide(self, device: SomeDevice, status: str) -> Device:
        """A person decides about its key."""
        known = self.known(device)
        return self.administration.decide(known.id, self.set_of(device), status, actor=ACTOR)

    def preauthorize(self, device: SomeDevice, *, force: bool = False) -> tuple[Device, bool]:
        """A person wants it accepted as soon as it asks."""
        new = Preauthorization(
            unverified_identity=id_data(device.serial), unverified_pem=pem_of(device.key), force=force
        )
        return self.administration.preauthorize(new, actor=ACTOR)

    def accepted(self, serial: str = "SN-0042") -> SomeDevice:
        """A device that is accepted."""
        device = SomeDevice(serial=serial)
        assert self.outcome(device) == "pending"
        self.decide(device, "accepted")
        return device

    def token(self, device: SomeDevice, jti: str = "j" * 36) -> VerifiedToken:
        """A token of the device, on record."""
        known, now = self.known(device), self.clock()
        version = self._keys.add_key(
            new_key(f"k{jti[:8]}", purpose=Purpose.DEVICE_TOKEN), new_version(), event()
        ).version(1)
        with self.database.writing() as connection:
            connection.execute(
                insert(issued_tokens).values(
                    jti=jti,
                    kind=TokenKind.DEVICE.value,
                    subject=known.id,
                    auth_set=self.set_of(device),
                    version_id=version.id,
                    issued_at=now,
                    expires_at=now + WEEK,
                )
            )
        return VerifiedToken(
            kind=TokenKind.DEVICE,
            jti=jti,
            subject=known.id,
            auth_set=self.set_of(device),
            issued_at=now,
            expires_at=now + WEEK,
            key="device-token",
            version=1,
        )

    def revoked(self, jti: str = "j" * 36) -> bool:
        """Whether the token holds no longer."""
        with self.database.reading() as connection:
            row = connection.execute(select(issued_tokens).where(issued_tokens.c.jti == jti)).one()
        return row.revoked_at is not None and row.revision > 0

    def events(self) -> list[Event]:
        """What the log tells of devices."""
        found = self._keys.events(after=0, limit=1000, key=None)
        return [each.event for each in found if each.event.type.value.startswith("device-")]


def revision(office: Office) -> int:
    """The counter of what takes power from tokens."""
    with office.database.reading() as connection:
        return device_revision(connection)


def told(office: Office) -> list[str]:
    """The types of all events about devices."""
    return [each.type.value for each in office.events()]


def plan(office: Office, device: SomeDevice, next_pem: str, *, overlap: float = 0) -> str:
    """A person plans the next key of a device; the id of its set."""
    new = Replacement(unverified_pem=next_pem, overlap=timedelta(seconds=overlap))
    known = office.known(device)
    return office.administration.replace(known.id, office.set_of(device), new, actor=ACTOR).id
