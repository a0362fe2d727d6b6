"""Devices in the list of another Mender server, and what each is to this installation.

1. An entry is what ``GET /api/management/v2/devauth/devices`` gives, or a row of CSV. What is not understood is said by
   its kind, and nothing of it is repeated.
2. Taken are decisions: keys that are accepted, preauthorised or rejected. Keys that nobody has decided about come from
   strangers; their devices ask again by themselves.
3. What is on record here is never changed: an entry is new, or it is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from signer.domain.device_changes import new_id
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import MAX_KEYS, AuthSet, AuthStatus, Device, DeviceStatus, status_of
from signer.domain.foreign_ids import is_foreign_id
from signer.domain.strict_json import NotStrictJson, strict_object
from signer.errors import DeviceIdentityInvalid, DeviceKeyInvalid

LISTED_STATUSES: Mapping[str, AuthStatus] = {
    status.value: status for status in AuthStatus if status is not AuthStatus.DISMISSED
}
_DECIDED = frozenset({AuthStatus.ACCEPTED, AuthStatus.PREAUTHORIZED, AuthStatus.REJECTED})


class ListProblem(StrEnum):
    """Why an entry is not taken, and with it the list."""

    NOT_AN_OBJECT = "not-an-object"
    ID = "id-invalid"
    IDENTITY = "identity-invalid"
    IDENTITY_DIFFERS = "identity-differs"  # a key's from its device's
    KEY = "key-invalid"
    KEY_TWICE = "key-twice"
    KEYS = "too-many-keys"
    STATUS = "status-unknown"
    STATUS_DIFFERS = "status-differs"  # a device's from that of its keys
    SEVERAL_ACCEPTED = "several-accepted"
    TIME = "time-invalid"
    TWICE = "twice-in-the-list"
    ID_TAKEN = "id-of-another-device"  # here, so it is the list of another installation
    IDENTITY_TAKEN = "identity-of-another-device"  # the same device, under another id, decided about here


class Outcome(StrEnum):
    """What becomes of an entry that is understood."""

    IMPORTED = "imported"
    KNOWN = "known"  # with all its keys, whatever was decided about them here
    DIFFERS = "differs"  # known, and the list has a key that is not on record here
    TAKEN_AWAY = "taken-away"  # decommissioned here
    UNDECIDED = "undecided"  # nobody has decided about any of its keys
    WITHOUT_KEY = "without-key"
    LEAVING = "leaving"  # being decommissioned there


class EntryRefused(Exception):
    """The entry is not understood. ``device``: its id, where that much is."""

    def __init__(self, problem: ListProblem, device: str | None = None) -> None:
        super().__init__(problem.value)
        self.problem, self.device = problem, device


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """A device of a list. ``left``: why it is none to be imported; None: it is.

    ``named``: the ids are those of the other server, so that tokens which it issued mean this device.
    """

    device: Device
    named: bool
    left: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDevice:
    """What is on record of a device. ``keys``: SHA-256 of all that it ever had; ``untouched``: nobody decided."""

    id: str
    identity_sha256: str
    decommissioned: bool
    keys: frozenset[str]
    untouched: bool


def listed_device(raw: bytes, *, now: datetime) -> ListedDevice:
    """From an object of the server's list; raises ``EntryRefused``."""
    try:
        entry = strict_object(raw, parse_int=float)
    except NotStrictJson:
        raise EntryRefused(ListProblem.NOT_AN_OBJECT) from None
    device_id = _id(entry, None)
    identity = _identity(entry.get("identity_data"), device_id)
    if entry.get("decommissioning") not in (None, False):
        return _listed(device_id, identity, (), _time(entry.get("created_ts"), now, device_id), Outcome.LEAVING)
    found = entry.get("auth_sets")
    sets = [(each, _status(each, device_id)) for each in (found if isinstance(found, list) else [])]
    decided = [_auth_set(each, status, identity, device_id, now) for each, status in sets if status in _DECIDED]
    _require_consistent(decided, [status for _, status in sets], entry.get("status"), device_id)
    left = None if decided else Outcome.UNDECIDED if sets else Outcome.WITHOUT_KEY
    return _listed(device_id, identity, tuple(decided), _time(entry.get("created_ts"), now, device_id), left)


def listed_row(row: Mapping[str, str], *, now: datetime) -> ListedDevice:
    """From a row of CSV: ``identity``, ``public_key`` and ``status``; ``device`` and ``auth_set`` may be empty."""
    named = bool(row.get("device")) and bool(row.get("auth_set"))
    if bool(row.get("device")) != bool(row.get("auth_set")):
        raise EntryRefused(ListProblem.ID)
    device_id = _id({"id": row["device"]}, None) if named else new_id()
    identity = _identity(row["identity"], device_id)
    made = {"id": row["auth_set"] if named else new_id(), "pubkey": row["public_key"], "status": row["status"]}
    status = _status(made, device_id)
    decided = status in _DECIDED
    sets = (_auth_set(made, status, identity, device_id, now),) if decided else ()
    listed = _listed(device_id, identity, sets, now, None if decided else Outcome.UNDECIDED)
    return replace(listed, named=named)


def placed(listed: ListedDevice, on_record: Sequence[RecordedDevice], *, set_taken: bool) -> Outcome:
    """What becomes of it; raises ``EntryRefused``.

    ``on_record``: whoever has its id or its identity, decommissioned ones too. ``set_taken``: one of its sets is on
    record as another device's.
    """
    device = listed.device
    if any(each.id == device.id and each.identity_sha256 != device.identity.sha256 for each in on_record) or set_taken:
        raise EntryRefused(ListProblem.ID_TAKEN, device.id)
    if any(each.decommissioned for each in on_record):
        return Outcome.TAKEN_AWAY
    if not on_record or all(each.untouched for each in on_record):
        return Outcome.IMPORTED
    (known,) = on_record
    keys = {each.key.sha256 for each in device.sets}
    if known.id != device.id and listed.named:
        raise EntryRefused(ListProblem.IDENTITY_TAKEN, device.id)
    return Outcome.KNOWN if keys <= known.keys else Outcome.DIFFERS


def _listed(
    device_id: str, identity: DeviceIdentity, sets: tuple[AuthSet, ...], created: datetime, left: Outcome | None
) -> ListedDevice:
    device = Device(
        id=device_id, identity=identity, created_at=created, updated_at=created, checked_in_at=None, sets=sets
    )
    return ListedDevice(device=device, named=True, left=left)


def _status(entry: Any, device_id: str) -> AuthStatus:
    if not isinstance(entry, dict):
        raise EntryRefused(ListProblem.NOT_AN_OBJECT, device_id)
    status = entry.get("status")
    if not isinstance(status, str) or status not in LISTED_STATUSES:
        raise EntryRefused(ListProblem.STATUS, device_id)
    return LISTED_STATUSES[status]


def _auth_set(
    entry: Mapping[str, Any], status: AuthStatus, identity: DeviceIdentity, device_id: str, now: datetime
) -> AuthSet:
    if "identity_data" in entry and _identity(entry["identity_data"], device_id) != identity:
        raise EntryRefused(ListProblem.IDENTITY_DIFFERS, device_id)
    pem = entry.get("pubkey")
    try:
        key = DevicePublicKey.of_pem(pem if isinstance(pem, str) else "")
    except DeviceKeyInvalid:
        raise EntryRefused(ListProblem.KEY, device_id) from None
    return AuthSet(id=_id(entry, device_id), key=key, status=status, created_at=_time(entry.get("ts"), now, device_id))


def _require_consistent(
    decided: Sequence[AuthSet], statuses: Sequence[AuthStatus], unverified_status: object, device_id: str
) -> None:
    if len(decided) > MAX_KEYS:
        raise EntryRefused(ListProblem.KEYS, device_id)
    if any(len({value(each) for each in decided}) != len(decided) for value in (_key_of, _id_of)):
        raise EntryRefused(ListProblem.KEY_TWICE, device_id)
    if statuses.count(AuthStatus.ACCEPTED) > 1:
        raise EntryRefused(ListProblem.SEVERAL_ACCEPTED, device_id)
    if not isinstance(unverified_status, str) or unverified_status not in set(DeviceStatus):
        raise EntryRefused(ListProblem.STATUS, device_id)
    if status_of(statuses).value != unverified_status:
        raise EntryRefused(ListProblem.STATUS_DIFFERS, device_id)


def _key_of(auth_set: AuthSet) -> str:
    return auth_set.key.sha256


def _id_of(auth_set: AuthSet) -> str:
    return auth_set.id


def _id(entry: Mapping[str, Any], device_id: str | None) -> str:
    found = entry.get("id")
    if not is_foreign_id(found):
        raise EntryRefused(ListProblem.ID, device_id)
    return found


def _identity(value: object, device_id: str | None) -> DeviceIdentity:
    """The server's list has it as an object; exports and CSV as its text."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return DeviceIdentity.of_text(text)
    except (DeviceIdentityInvalid, RecursionError):
        raise EntryRefused(ListProblem.IDENTITY, device_id) from None


def _time(value: object, now: datetime, device_id: str | None) -> datetime:
    """An RFC 3339 time; without one, or with Go's zero time, ``now``."""
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise EntryRefused(ListProblem.TIME, device_id)
    return now if moment.year == 1 else min(moment.astimezone(UTC), now)
