"""Rows of devices and their keys as values, and what of a device has changed as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, insert, select, update

from signer.domain.auth_requests import LastFresh
from signer.domain.device_changes import Change
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import AuthSet, AuthStatus, Device, status_of
from signer.storage.device_state import move_device_revision
from signer.storage.device_tables import IS_PRESENT, auth_sets, devices
from signer.storage.token_tables import issued_tokens

_SHOWN = auth_sets.c.status != AuthStatus.DISMISSED.value
# Built once: each auth request of a device asks this, and to build it costs more than the answer.
_WITH_SETS = (
    select(devices, auth_sets)
    .join_from(devices, auth_sets, and_(auth_sets.c.device_id == devices.c.id, _SHOWN), isouter=True)
    .where(IS_PRESENT)
    .order_by(auth_sets.c.created_at, auth_sets.c.id)
)
OF_IDENTITY = _WITH_SETS.where(devices.c.identity_sha256 == bindparam("wanted"))
OF_ID = _WITH_SETS.where(devices.c.id == bindparam("wanted"))


def found(connection: Connection, query: Select[Any], wanted: str, now: datetime) -> Device | None:
    """The device that ``OF_IDENTITY`` or ``OF_ID`` finds, with its keys: one statement, so of one moment."""
    rows = connection.execute(query, {"wanted": wanted}).all()
    if not rows:
        return None
    sets = [_auth_set(row, now) for row in rows if row._mapping[auth_sets.c.id] is not None]
    return _device(rows[0], sets)


def loaded(connection: Connection, query: Select[Any], now: datetime) -> tuple[Device, ...]:
    """The devices of a query over ``devices``, in its order."""
    rows = connection.execute(query).all()
    wanted = select(auth_sets).where(auth_sets.c.device_id.in_([row.id for row in rows]), _SHOWN)
    sets: dict[str, list[AuthSet]] = defaultdict(list)
    if rows:
        for row in connection.execute(wanted.order_by(auth_sets.c.created_at, auth_sets.c.id)):
            sets[row.device_id].append(_auth_set(row, now))
    return tuple(_device(row, sets[row.id]) for row in rows)


def locked(connection: Connection, *conditions: Any, now: datetime) -> Device | None:
    """A device that is present, locked before its keys: the order of all that changes one."""
    row = connection.execute(select(devices.c.id).where(IS_PRESENT, *conditions).with_for_update()).one_or_none()
    if row is None:
        return None
    (device,) = loaded(connection, select(devices).where(devices.c.id == row.id), now)
    return device


def add_device(connection: Connection, device: Device, *, source: str | None = None) -> None:
    """A device that is new, with its keys."""
    connection.execute(
        insert(devices).values(
            id=device.id,
            identity_sha256=device.identity.sha256,
            identity=device.identity.text,
            status=device.status.value,
            decommissioning=False,
            created_at=device.created_at,
            updated_at=device.updated_at,
        )
    )
    for auth_set in device.sets:
        add_set(connection, device.id, auth_set, source=source)


def add_set(connection: Connection, device_id: str, auth_set: AuthSet, *, source: str | None = None) -> None:
    """A key that is new."""
    connection.execute(
        insert(auth_sets).values(
            id=auth_set.id,
            device_id=device_id,
            pubkey_sha256=auth_set.key.sha256,
            pubkey=auth_set.key.spki,
            created_at=auth_set.created_at,
            source=source,
            **_decided(auth_set),
        )
    )


def write_change(connection: Connection, before: Device, change: Change, now: datetime) -> None:
    """What the change makes of the device that was ``before``; power that it takes is taken from its tokens too."""
    known = {each.id: each for each in before.sets}
    kept = {each.id for each in change.device.sets}
    moved = [each for each in change.device.sets if known.get(each.id) != each]
    gone = [each.id for each in before.sets if each.id not in kept]
    for auth_set in gone:
        _update_set(connection, auth_set, status=AuthStatus.DISMISSED.value)
    # At most one is accepted at any moment, which an index holds: what loses it goes first.
    for each in sorted(moved, key=lambda each: each.status is AuthStatus.ACCEPTED):
        if each.id in known:
            _update_set(connection, each.id, **_decided(each))
        else:
            add_set(connection, before.id, each)
    touch_device(connection, change.device, decommissioning=change.decommissioned)
    changed = [*gone, *(each.id for each in moved)]
    revision = move_device_revision(connection)
    connection.execute(update(auth_sets).where(auth_sets.c.id.in_(changed)).values(revision=revision))
    if change.decommissioned:
        connection.execute(update(devices).where(devices.c.id == before.id).values(revision=revision))
    still = {each.id for each in change.device.sets if each.status is AuthStatus.ACCEPTED}
    lost = [each.id for each in before.sets if each.status is AuthStatus.ACCEPTED and each.id not in still]
    _revoke_tokens(connection, before.id, lost, revision, now)


def touch_device(connection: Connection, device: Device, *, decommissioning: bool = False) -> None:
    """Write the device's own row, by what its keys are now."""
    values = {"status": device.status.value, "updated_at": device.updated_at, "decommissioning": decommissioning}
    connection.execute(update(devices).where(devices.c.id == device.id).values(values))


def _update_set(connection: Connection, auth_set: str, **values: Any) -> None:
    connection.execute(update(auth_sets).where(auth_sets.c.id == auth_set).values(values))


def _revoke_tokens(connection: Connection, device: str, lost: Iterable[str], revision: int, now: datetime) -> None:
    # Whatever is decided about the key later on, a token from before proves nothing.
    of_set = (issued_tokens.c.subject == device, issued_tokens.c.auth_set.in_(list(lost)))
    holds = (issued_tokens.c.revoked_at.is_(None), issued_tokens.c.expires_at > now)
    connection.execute(update(issued_tokens).where(*of_set, *holds).values(revoked_at=now, revision=revision))


def _decided(auth_set: AuthSet) -> dict[str, Any]:
    return {
        "status": auth_set.status.value,
        "valid_until": auth_set.valid_until,
        "replaces": auth_set.replaces,
        "overlap": auth_set.overlap,
        "client_ca": auth_set.client_ca,
    }


def _device(row: Row[Any], sets: list[AuthSet]) -> Device:
    value = row._mapping
    return Device(
        id=value[devices.c.id],
        identity=DeviceIdentity(text=value[devices.c.identity], sha256=value[devices.c.identity_sha256]),
        created_at=value[devices.c.created_at],
        updated_at=value[devices.c.updated_at],
        checked_in_at=value[devices.c.checked_in_at],
        sets=tuple(sets),
    )


def _auth_set(row: Row[Any], now: datetime) -> AuthSet:
    # By columns: a row may hold a device's too, of the same names.
    value, columns = row._mapping, auth_sets.c
    status, valid_until = AuthStatus(value[columns.status]), value[columns.valid_until]
    if status is AuthStatus.PREAUTHORIZED and valid_until is not None and valid_until <= now:
        status = AuthStatus.REJECTED
    fresh_ts = value[columns.fresh_ts]
    return AuthSet(
        id=value[columns.id],
        key=DevicePublicKey(spki=bytes(value[columns.pubkey]), sha256=value[columns.pubkey_sha256]),
        status=status,
        created_at=value[columns.created_at],
        valid_until=valid_until,
        replaces=value[columns.replaces],
        overlap=value[columns.overlap],
        client_ca=value[columns.client_ca],
        last_fresh=None if fresh_ts is None else LastFresh(ts=fresh_ts, nonces=tuple(value[columns.fresh_nonces])),
    )


def status_now(connection: Connection, device_id: str) -> str:
    """The status of a device by what its keys are on record."""
    found = connection.execute(select(auth_sets.c.status).where(auth_sets.c.device_id == device_id)).scalars()
    return status_of(AuthStatus(each) for each in found).value
