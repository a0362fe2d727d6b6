"""Each thing that can be done with a device, as what it is afterwards and the events that tell of it.

Nothing here is on record: whoever keeps devices writes what these functions give, or nothing. What they need to know
beside the device, they ask of ``Around``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import MAX_KEYS, AuthSet, AuthStatus, Device, DeviceStatus, checked_step
from signer.domain.events import Event, EventType
from signer.domain.timestamps import rfc3339
from signer.errors import (
    DeviceKeysExhausted,
    DeviceKeyTaken,
    DeviceRefusal,
    DeviceRefused,
    DeviceStepNotAllowed,
)

_DECIDED: Mapping[AuthStatus, EventType] = {
    AuthStatus.ACCEPTED: EventType.DEVICE_ACCEPTED,
    AuthStatus.REJECTED: EventType.DEVICE_REJECTED,
    AuthStatus.PENDING: EventType.DEVICE_PENDING,
}


class Around(Protocol):
    """What a change may ask about all devices, in the transaction that it is in."""

    @property
    def now(self) -> datetime:
        """The moment of the change, aware UTC."""

    def require_room(self) -> None:
        """One more device may be accepted; raises ``DeviceLimitReached``."""

    def was_key_of(self, identity: DeviceIdentity, key: DevicePublicKey) -> bool:
        """Whether the key was taken from a device of this identity: rejected, dismissed, or decommissioned with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a device becomes. ``events``: in the order in which they are told; none where nothing changes."""

    device: Device
    events: tuple[Event, ...] = ()
    decommissioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The next key of a device.

    Attributes:
        key: the key.
        awaited_for: for how long its first request is awaited.
        overlap: for how long after that the key before is awaited again; nothing: not at all.
    """

    key: DevicePublicKey
    awaited_for: timedelta
    overlap: timedelta = timedelta(0)


def new_id() -> str:
    """The id of a device or an authentication set."""
    return str(uuid.uuid4())


def decided(device: Device, auth_set: str, unverified_wanted: str, around: Around, *, actor: str) -> Change:
    """A person has decided about a key."""
    found = device.set_of(auth_set)
    wanted = checked_step(found.status, unverified_wanted)
    if wanted is None:
        return Change(device=device)
    if wanted is AuthStatus.ACCEPTED:
        require_room(device, around)
        after = accepted_by(device, found, around.now)
    else:
        after = _with(device, replace(found, status=wanted, valid_until=None, replaces=None, overlap=0))
    more = displaced(device, found) if wanted is AuthStatus.ACCEPTED else {}
    event = event_of(_DECIDED[wanted], actor, after, found, before=found.status, after_status=wanted, more=more)
    return touched(after, around, event)


def arrived(device: Device, auth_set: str, around: Around) -> Change:
    """The key of a preauthorised set has signed a request: it is accepted, and takes the place of the one before."""
    found, before = device.set_of(auth_set), device.accepted
    reason = device.refusal_of(found, around.now)
    if reason is not None:
        raise DeviceRefused(reason=reason)
    if found.status is AuthStatus.ACCEPTED:
        return Change(device=device)
    require_room(device, around)
    after = accepted_by(device, found, around.now)
    changed = before is not None and found.replaces == before.id
    kind = EventType.DEVICE_KEY_CHANGED if changed else EventType.DEVICE_ACCEPTED
    event = event_of(
        kind,
        f"device:{device.id}",
        after,
        found,
        before=found.status,
        after_status=AuthStatus.ACCEPTED,
        more=displaced(device, found),
    )
    return touched(after, around, event)


def preauthorized(device: Device, key: DevicePublicKey, around: Around, *, actor: str) -> Change:
    """Somebody wants the key of a known device accepted as soon as it asks, whatever was decided about it before."""
    found = device.with_key(key)
    if found is not None and found.status in (AuthStatus.ACCEPTED, AuthStatus.PREAUTHORIZED):
        return Change(device=device)
    if found is None:
        _require_another_key(device)
    made = _fresh_set(key, around.now) if found is None else found
    after = _with(device, replace(made, status=AuthStatus.PREAUTHORIZED, valid_until=None, replaces=None, overlap=0))
    before = None if found is None else found.status
    event = event_of(
        EventType.DEVICE_PREAUTHORIZED, actor, after, made, before=before, after_status=AuthStatus.PREAUTHORIZED
    )
    return touched(after, around, event)


def planned(device: Device, auth_set: str, plan: Plan, around: Around, *, actor: str) -> Change:
    """The next key of an accepted device is awaited; the present one stays accepted until that has asked."""
    present = device.set_of(auth_set)
    if present.status is not AuthStatus.ACCEPTED:
        raise DeviceStepNotAllowed(status=present.status.value, wanted="replaced")
    found = device.with_key(plan.key)
    if (found is not None and found.id == present.id) or around.was_key_of(device.identity, plan.key):
        raise DeviceKeyTaken(device=device.id)
    if found is None:
        _require_another_key(device)
    made = _fresh_set(plan.key, around.now) if found is None else found
    awaited = replace(
        made,
        status=AuthStatus.PREAUTHORIZED,
        valid_until=around.now + plan.awaited_for,
        replaces=present.id,
        overlap=int(plan.overlap.total_seconds()),
        # What needs a certificate now does not get rid of that by another key.
        client_ca=made.client_ca or present.client_ca,
    )
    after = _with(device, awaited)
    more = {"replaces": present.id, "valid_until": rfc3339(awaited.valid_until), "overlap": awaited.overlap}
    before = None if found is None else found.status
    event = event_of(
        EventType.DEVICE_KEY_PLANNED, actor, after, awaited, before=before, after_status=awaited.status, more=more
    )
    return touched(after, around, event)


def still_planned(device: Device, auth_set: str, plan: Plan, around: Around) -> bool:
    """Whether the next key is awaited in the place of this one already, for more than half of the plan's time.

    A device that did not hear the answer asks again, as often as it likes: that is told once.
    """
    found = device.with_key(plan.key)
    if found is None or found.status is not AuthStatus.PREAUTHORIZED or found.replaces != auth_set:
        return False
    return found.valid_until is not None and found.valid_until - around.now > plan.awaited_for / 2


def dismissed(device: Device, auth_set: str, around: Around, *, actor: str) -> Change:
    """A key is none of the device's any more; a device that was only preauthorised goes with its last one."""
    found = device.set_of(auth_set)
    after = replace(device, sets=tuple(each for each in device.sets if each.id != auth_set))
    event = event_of(
        EventType.DEVICE_KEY_DISMISSED, actor, after, found, before=found.status, after_status=AuthStatus.DISMISSED
    )
    change = touched(after, around, event)
    return replace(change, decommissioned=not after.sets and found.status is AuthStatus.PREAUTHORIZED)


def decommissioned(device: Device, around: Around, *, actor: str) -> Change:
    """The device is none of the installation's any more."""
    event = Event(
        type=EventType.DEVICE_DECOMMISSIONED,
        actor=actor,
        key=None,
        version=None,
        before={"status": device.status.value},
        after={"device": device.id, "identity_sha256": device.identity.sha256, "status": DeviceStatus.NOAUTH.value},
    )
    return replace(touched(replace(device, sets=()), around, event), decommissioned=True)


def new_device(identity: DeviceIdentity, auth_set: AuthSet, now: datetime) -> Device:
    """A device that nobody knew, with its first key."""
    return Device(id=new_id(), identity=identity, created_at=now, updated_at=now, checked_in_at=None, sets=(auth_set,))


def introduced(identity: DeviceIdentity, key: DevicePublicKey, around: Around, *, actor: str) -> Change:
    """Somebody wants a device that nobody knew accepted as soon as it asks."""
    made = replace(_fresh_set(key, around.now), status=AuthStatus.PREAUTHORIZED)
    device = new_device(identity, made, around.now)
    event = event_of(
        EventType.DEVICE_PREAUTHORIZED, actor, device, made, before=None, after_status=AuthStatus.PREAUTHORIZED
    )
    return Change(device=device, events=(event,))


def with_pending(
    device: Device, key: DevicePublicKey, *, now: datetime, valid_until: datetime, most: int
) -> tuple[Device, AuthSet]:
    """A key that nobody has decided about yet; raises ``DeviceRefused`` where the device has too many."""
    if len(device.sets) >= most:
        raise DeviceRefused(reason=DeviceRefusal.KEYS_LIMIT)
    made = replace(_fresh_set(key, now), valid_until=valid_until)
    return replace(device, updated_at=now, sets=(*device.sets, made)), made


def pending_set(key: DevicePublicKey, *, now: datetime, valid_until: datetime) -> AuthSet:
    """The first key of a device that nobody knew."""
    return replace(_fresh_set(key, now), valid_until=valid_until)


def _fresh_set(key: DevicePublicKey, now: datetime) -> AuthSet:
    return AuthSet(id=new_id(), key=key, status=AuthStatus.PENDING, created_at=now)


def require_room(device: Device, around: Around) -> None:
    """The device is accepted, or one more may be; raises ``DeviceLimitReached``."""
    if device.accepted is None:
        around.require_room()


def _require_another_key(device: Device) -> None:
    if len(device.sets) >= MAX_KEYS:
        raise DeviceKeysExhausted(device=device.id, limit=MAX_KEYS)


def accepted_by(device: Device, chosen: AuthSet, now: datetime) -> Device:
    """With this set accepted, and the one before rejected or, for its overlap, awaited again."""
    before = device.accepted
    after = _with(device, replace(chosen, status=AuthStatus.ACCEPTED, valid_until=None, replaces=None, overlap=0))
    if before is None or before.id == chosen.id:
        return after
    if chosen.replaces == before.id and chosen.overlap:
        until = now + timedelta(seconds=chosen.overlap)
        return _with(after, replace(before, status=AuthStatus.PREAUTHORIZED, valid_until=until, replaces=chosen.id))
    return _with(after, replace(before, status=AuthStatus.REJECTED))


def _with(device: Device, changed: AuthSet) -> Device:
    kept = tuple(changed if each.id == changed.id else each for each in device.sets)
    return replace(device, sets=kept if changed in kept else (*kept, changed))


def displaced(device: Device, chosen: AuthSet) -> Mapping[str, object]:
    """What an event tells of the set in whose place the chosen one comes."""
    before = device.accepted
    if before is None or before.id == chosen.id:
        return {}
    return {"replaced": before.id, "replaced_fingerprint": before.key.sha256}


def touched(device: Device, around: Around, event: Event) -> Change:
    """The device, changed now, and the event that tells of it."""
    return Change(device=replace(device, updated_at=around.now), events=(event,))


def event_of(
    kind: EventType,
    actor: str,
    device: Device,
    auth_set: AuthSet,
    *,
    before: AuthStatus | None,
    after_status: AuthStatus,
    more: Mapping[str, object] | None = None,
) -> Event:
    """What happened to a key. ``more``: facts beside those that each such event has."""
    after = {
        "device": device.id,
        "auth_set": auth_set.id,
        "identity_sha256": device.identity.sha256,
        "fingerprint": auth_set.key.sha256,
        "status": after_status.value,
        **(more or {}),
    }
    told = {} if before is None else {"status": before.value}
    return Event(type=kind, actor=actor, key=None, version=None, before=told, after=after)
