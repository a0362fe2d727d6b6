"""Why the active version of a key may not sign now, as the error that says so with its facts."""

from __future__ import annotations

from datetime import datetime, timedelta

from signer.domain.floors import FloorUnmet, VersionClaim
from signer.domain.keys import Key, KeyVersion, VersionState
from signer.domain.recording import refusal
from signer.domain.records import Refusal
from signer.errors import (
    ClockMovedBack,
    NoActiveVersion,
    SignatureLimitReached,
    SignerError,
    StateChanged,
    VersionExpired,
    VersionNotYetValid,
    VersionQuarantined,
    VersionStepTooLarge,
    VersionTooOld,
)
from signer.errors.blind import VersionNotActive


def signing_version(key: Key, *, now: datetime, tolerance: timedelta) -> KeyVersion:
    """The version that signs, as far as this record of the key tells; raises why there is none, its limit apart."""
    version = key.active
    if version is None:
        raise reason_of(key, Refusal.NOT_ACTIVE, now=now)
    refused = refusal(version, now, tolerance)
    if refused is not None:
        raise reason_of(key, refused, now=now)
    return version


def not_signing(key: Key, number: int) -> SignerError:
    """Why the version that was asked for does not sign: another one does, or there is none of this number."""
    if key.active is None:
        return _nobody_signs(key)
    return VersionNotActive(key=key.name, version=number, active=key.active.number)


def at_its_limit(version: KeyVersion) -> bool:
    """Whether the version had made all its signatures when this record of it was read."""
    limit = version.validity.signature_limit
    return limit is not None and version.signature_count >= limit


def reason_of(key: Key, refused: Refusal, *, now: datetime) -> SignerError:
    """The error for what the recorder refused, or would, with the facts of a key that was read after it did."""
    version = key.active
    if version is None:
        return _nobody_signs(key)
    validity = version.validity
    match refused:
        case Refusal.NOT_YET_VALID if validity.not_before is not None:
            return VersionNotYetValid(key=key.name, version=version.number, not_before=validity.not_before)
        case Refusal.EXPIRED if validity.not_after is not None:
            return VersionExpired(key=key.name, version=version.number, not_after=validity.not_after)
        case Refusal.LIMIT_REACHED if validity.signature_limit is not None:
            return SignatureLimitReached(key=key.name, version=version.number, limit=validity.signature_limit)
        case Refusal.CLOCK_BEHIND if version.last_signed_at is not None:
            return ClockMovedBack(now=now, newest=version.last_signed_at)
    return StateChanged(key=key.name)


def below_floor(key: str, claim: VersionClaim, unmet: FloorUnmet) -> VersionTooOld | VersionStepTooLarge:
    """The error for a version that the recorder compared with its floor and refused."""
    floor = unmet.floor
    if unmet.too_far:
        return VersionStepTooLarge(
            key=key,
            device_type=unmet.device_type,
            payload_type=unmet.payload_type,
            version=claim.version,
            floor=floor.version,
            max_step=claim.max_step or 0,
        )
    return VersionTooOld(
        key=key,
        device_type=unmet.device_type,
        payload_type=unmet.payload_type,
        version=claim.version,
        floor=floor.version,
        order=floor.order.value,
    )


def _nobody_signs(key: Key) -> SignerError:
    quarantined = key.in_state(VersionState.QUARANTINED)
    if quarantined is not None:
        return VersionQuarantined(key=key.name, version=quarantined.number)
    return NoActiveVersion(key=key.name)
