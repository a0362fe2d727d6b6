"""What devices ask without a credential of ours: a token for what their key has signed, and the change of that key.

1. Nothing is looked up before the signature over the bytes that came is right: the key proves itself, and no more.
2. Whoever gets no token hears the same, whatever the reason. The reason is for the log.
3. A token is issued by its recording: whatever was decided meanwhile is seen there once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from signer.domain.auth_requests import AuthRequest, KeyChange, fresh_after
from signer.domain.client_certificates import ProvedCertificate
from signer.domain.device_certificates import BoundCertificate, bound_certificate, certified
from signer.domain.device_changes import Around, Change, Plan, arrived, planned, still_planned
from signer.domain.devices import MAX_KEYS, AuthSet, AuthStatus, Device
from signer.domain.token_claims import DeviceSubject, VerifiedToken
from signer.errors import (
    DeviceKeysExhausted,
    DeviceLimitReached,
    DeviceRefusal,
    DeviceRefused,
)
from signer.errors.device_certificates import DeviceCertificateMissing
from signer.services.device_ports import DeviceRecords, Newcomer

# How often a device's last contact is written down, where nothing else is.
CONTACT_INTERVAL = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedKey:
    """The next key of a device, on record: it is accepted by its first request until this moment."""

    auth_set: str
    valid_until: datetime | None


class DeviceAuthentication:
    """For threads. ``next_key_lifetime``: for how long the next key of a device is awaited."""

    def __init__(
        self,
        *,
        records: DeviceRecords,
        clock: Callable[[], datetime],
        pending_lifetime: timedelta,
        next_key_lifetime: timedelta,
    ) -> None:
        self._records = records
        self._clock = clock
        self._pending_lifetime = pending_lifetime
        self._next_key_lifetime = next_key_lifetime

    def admit(self, request: AuthRequest, source: str | None, shown: ProvedCertificate | None = None) -> DeviceSubject:
        """Who gets a token for this request; raises ``DeviceRefused`` or a ``DeviceCertificateRefused``.

        ``shown``: the certificate that came with it, valid and not revoked. A device or key that nobody knows is
        accepted if that names it, else pending afterwards, as far as there is room.
        """
        certificate = None if shown is None else bound_certificate(shown, request.identity, request.key)
        device = self._records.known(request.identity)
        auth_set = None if device is None else device.with_key(request.key)
        if device is None or auth_set is None:
            vouched = certificate is not None and certificate.names_device
            newcomer = Newcomer(identity=request.identity, key=request.key, source=source, vouched=vouched)
            device = self._records.add_pending(newcomer)
            auth_set = self._set_of(device, request)
        if certificate is None and auth_set.client_ca is not None:
            raise DeviceCertificateMissing
        if certificate is not None:
            device = self._certified(device, auth_set, certificate)
            auth_set = self._set_of(device, request)
        reason = device.refusal_of(auth_set, self._clock())
        if reason is not None:
            self._prolong(device, auth_set)
            raise DeviceRefused(reason=reason)
        self._noted(device, auth_set, request)
        if auth_set.status is AuthStatus.PREAUTHORIZED:
            try:
                self._records.change(device.id, lambda current, around: arrived(current, auth_set.id, around))
            except DeviceLimitReached:
                raise DeviceRefused(reason=DeviceRefusal.DEVICE_LIMIT) from None
        return DeviceSubject(device_id=device.id, auth_set_id=auth_set.id)

    def change_key(self, change: KeyChange, token: VerifiedToken, shown: ProvedCertificate | None = None) -> AwaitedKey:
        """Have the next key awaited, for a device that shows its present one and a token of that.

        ``shown``: as for ``admit``. Raises ``DeviceRefused``, a ``DeviceCertificateRefused``, ``DeviceKeyTaken`` or
        ``DeviceKeysExhausted``.
        """
        if shown is not None:
            bound_certificate(shown, change.identity, change.key)
        device = self._records.known(change.identity)
        present = None if device is None else device.with_key(change.key)
        if device is None or present is None or present.status is not AuthStatus.ACCEPTED:
            raise DeviceRefused(reason=DeviceRefusal.NOT_FOUND)
        its_own = token.subject == device.id and token.auth_set == present.id
        if not (its_own and self._records.holds(token.jti, present.id)):
            raise DeviceRefused(reason=DeviceRefusal.TOKEN)
        if shown is None and present.client_ca is not None:
            raise DeviceCertificateMissing
        self._records.note(device, present.id, change.freshness)
        plan = Plan(key=change.next_key, awaited_for=self._next_key_lifetime)

        def step(current: Device, around: Around) -> Change:
            if still_planned(current, present.id, plan, around):
                return Change(device=current)
            return planned(current, present.id, plan, around, actor=f"device:{device.id}")

        awaited = self._records.change(device.id, step).with_key(change.next_key)
        if awaited is None:
            raise DeviceKeysExhausted(device=device.id, limit=MAX_KEYS)
        return AwaitedKey(auth_set=awaited.id, valid_until=awaited.valid_until)

    def _set_of(self, device: Device, request: AuthRequest) -> AuthSet:
        found = device.with_key(request.key)
        if found is None:
            raise DeviceRefused(reason=DeviceRefusal.PENDING)
        return found

    def _certified(self, device: Device, auth_set: AuthSet, certificate: BoundCertificate) -> Device:
        if auth_set.status is AuthStatus.ACCEPTED and auth_set.client_ca == certificate.ca:
            return device  # as each time but the first
        try:
            return self._records.change(
                device.id, lambda current, around: certified(current, auth_set.id, certificate, around)
            )
        except DeviceLimitReached:
            raise DeviceRefused(reason=DeviceRefusal.DEVICE_LIMIT) from None

    def _prolong(self, device: Device, auth_set: AuthSet) -> None:
        """A device that goes on asking is not forgotten; that costs a write now and then."""
        if auth_set.status is not AuthStatus.PENDING or auth_set.valid_until is None:
            return
        if auth_set.valid_until - self._clock() < self._pending_lifetime / 2:
            self._records.note(device, auth_set.id, None)

    def _noted(self, device: Device, auth_set: AuthSet, request: AuthRequest) -> None:
        now = self._clock()
        fresh_after(auth_set.last_fresh, request.freshness, now=now)
        seen = device.checked_in_at
        if request.freshness is not None or seen is None or now - seen > CONTACT_INTERVAL:
            self._records.note(device, auth_set.id, request.freshness)
