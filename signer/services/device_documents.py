"""Devices as JSON documents: those of Mender's management API, with what it does not tell added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NotRequired

from typing_extensions import TypedDict

from signer.domain.devices import AuthSet, AuthStatus, Device, DeviceStatus
from signer.domain.timestamps import Moment, rfc3339

Identity = dict[str, Any]
Document = Mapping[str, Any]


class AuthSetDocument(TypedDict):
    """A key of a device, and what was decided about it. ``reason``: why it gets no token."""

    id: str
    identity_data: Identity
    pubkey: str
    fingerprint: str
    ts: Moment
    status: AuthStatus
    reason: NotRequired[str]
    valid_until: NotRequired[Moment]
    replaces: NotRequired[str]


class DeviceDocument(TypedDict):
    """A device with its authentication sets."""

    id: str
    identity_data: Identity
    identity_sha256: str
    status: DeviceStatus
    decommissioning: bool
    created_ts: Moment
    updated_ts: Moment
    auth_sets: list[AuthSetDocument]
    check_in_time: NotRequired[Moment]


def device_document(device: Device, now: datetime) -> DeviceDocument:
    """A device with its authentication sets; ``now``: whether what is awaited still is."""
    document: DeviceDocument = {
        "id": device.id,
        "identity_data": json.loads(device.identity.text),
        "identity_sha256": device.identity.sha256,
        "status": device.status,
        "decommissioning": False,
        "created_ts": rfc3339(device.created_at),
        "updated_ts": rfc3339(device.updated_at),
        "auth_sets": [_auth_set_document(each, device, now) for each in device.sets],
    }
    if device.checked_in_at is not None:
        document["check_in_time"] = rfc3339(device.checked_in_at)
    return document


def _auth_set_document(auth_set: AuthSet, device: Device, now: datetime) -> AuthSetDocument:
    reason = device.refusal_of(auth_set, now)
    document: AuthSetDocument = {
        "id": auth_set.id,
        "identity_data": json.loads(device.identity.text),
        "pubkey": auth_set.key.pem,
        "fingerprint": auth_set.key.sha256,
        "ts": rfc3339(auth_set.created_at),
        "status": auth_set.status,
    }
    if reason is not None:
        document["reason"] = reason.value
    if auth_set.valid_until is not None:
        document["valid_until"] = rfc3339(auth_set.valid_until)
    if auth_set.replaces is not None:
        document["replaces"] = auth_set.replaces
    return document
