"""Why a key may not sign for reasons of its own, whatever the token and the database do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from signer.domain.keys import Key, VersionState
from signer.errors import (
    KeyNotFound,
    NoActiveVersion,
    SignatureLimitReached,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
)


def own_reasons(keys: Iterable[Key], *, now: datetime, vital: Collection[str]) -> dict[str, str]:
    """Codes by ``key NAME``; nothing for a key that may sign, or that is switched off and not ``vital``.

    A vital key that does not exist is told once there are others: a new installation has none.
    """
    known = {key.name: key for key in keys}
    found: dict[str, str] = {}
    for key in known.values():
        reason = own_reason(key, now)
        if reason is not None:
            found[f"key {key.name}"] = reason
        elif key.active is None and key.name in vital:
            found[f"key {key.name}"] = NoActiveVersion.code
    if known:
        found |= {f"key {name}": KeyNotFound.code for name in vital if name not in known}
    return found


def own_reason(key: Key, now: datetime) -> str | None:
    """The code of what is wrong with the key's active version, or of its quarantine."""
    version = key.active
    if version is None:
        return VersionQuarantined.code if key.in_state(VersionState.QUARANTINED) is not None else None
    validity = version.validity
    if validity.not_before is not None and now < validity.not_before:
        return VersionNotYetValid.code
    if validity.not_after is not None and now > validity.not_after:
        return VersionExpired.code
    if validity.signature_limit is not None and version.signature_count >= validity.signature_limit:
        return SignatureLimitReached.code
    return None
