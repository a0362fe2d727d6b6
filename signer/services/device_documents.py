"""Devices as JSON documents: those of Mender's management API, with what it does not tell added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from signer.domain.devices import AuthSet, Device
from signer.domain.timestamps import rfc3339

Document = Mapping[str, Any]


def device_document(device: Device, now: datetime) -> Document:
    """A device with its authentication sets; ``now``: whether what is awaited still is."""
    document = {
        "id": device.id,
        "identity_data": json.loads(device.identity.text),
        "identity_sha256": device.identity.sha256,
        "status": device.status.value,
        "decommissioning": False,
        "created_ts": rfc3339(device.created_at),
        "updated_ts": rfc3339(device.updated_at),
        "auth_sets": [_auth_set_document(each, device, now) for each in device.sets],
    }
    seen = device.checked_in_at
    return document if seen is None else document | {"check_in_time": rfc3339(seen)}


def _auth_set_document(auth_set: AuthSet, device: Device, now: datetime) -> Document:
    reason = device.refusal_of(auth_set, now)
    more = {
        "reason": None if reason is None else reason.value,
        "valid_until": rfc3339(auth_set.valid_until),
        "replaces": auth_set.replaces,
    }
    return {
        "id": auth_set.id,
        "identity_data": json.loads(device.identity.text),
        "pubkey": auth_set.key.pem,
        "fingerprint": auth_set.key.sha256,
        "ts": rfc3339(auth_set.created_at),
        "status": auth_set.status.value,
        **{name: value for name, value in more.items() if value is not None},
    }
