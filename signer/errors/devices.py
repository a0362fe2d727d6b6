"""Refusals about devices: what they send, and what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from signer.errors.base import SignerError


class DeviceRefusal(StrEnum):
    """Why a device gets no token: for the log, and for those who administer devices. The device hears 401."""

    SIGNATURE = "signature"  # the key of the request has not signed it
    NEXT_SIGNATURE = "next-signature"  # the next key has not signed the change
    TOKEN = "token"  # noqa: S105  (a name; the change of a key came without a token of that device and key)
    PENDING = "pending"  # nobody has decided about it yet
    KEY_DIFFERS = "key-differs"  # the device is known by another key, and nobody has decided about this one yet
    REJECTED = "rejected"
    EXPIRED = "expired"  # the time in which the key was awaited is over
    NOT_FRESH = "not-fresh"  # sent before, or without the time that this key has sent before
    CLOCK = "clock"  # its time is too far from the service's
    DEVICE_LIMIT = "device-limit"  # as many devices are accepted as may be
    PENDING_LIMIT = "pending-limit"  # as many keys are pending as may be
    ADDRESS_LIMIT = "address-limit"  # the address has made as many keys pending as it may in an hour
    KEYS_LIMIT = "keys-limit"  # the device has as many keys as it may
    NOT_FOUND = "not-found"  # the change of a key of no accepted device


@dataclass(eq=False, kw_only=True)
class AuthRequestInvalid(SignerError):
    """The request of a device cannot be read. ``problem``: what is wrong, for people."""

    code = "auth-request-invalid"
    problem: str


@dataclass(eq=False, kw_only=True)
class DeviceIdentityInvalid(AuthRequestInvalid):
    """What a device says that it is, is no identity."""

    code = "device-identity-invalid"


@dataclass(eq=False, kw_only=True)
class DeviceKeyInvalid(AuthRequestInvalid):
    """The public key is none that a device may have."""

    code = "device-key-invalid"


@dataclass(eq=False, kw_only=True)
class MediaTypeNotSupported(SignerError):
    """The body is said to be something else than what the route takes."""

    code = "media-type-not-supported"
    media_type: str


@dataclass(eq=False, kw_only=True)
class DeviceRefused(SignerError):
    """The device gets no token. Why is for the log alone: a stranger would learn which devices there are."""

    code = "device-refused"
    hidden: ClassVar[frozenset[str]] = frozenset({"reason"})
    reason: DeviceRefusal


@dataclass(eq=False, kw_only=True)
class DeviceNotFound(SignerError):
    """No device has this id."""

    code = "device-not-found"
    device: str


@dataclass(eq=False, kw_only=True)
class AuthSetNotFound(SignerError):
    """The device has no authentication set with this id."""

    code = "auth-set-not-found"
    device: str
    auth_set: str


@dataclass(eq=False, kw_only=True)
class DeviceStepNotAllowed(SignerError):
    """An authentication set cannot go from one status to the other."""

    code = "device-step-not-allowed"
    status: str
    wanted: str


@dataclass(eq=False, kw_only=True)
class DeviceLimitReached(SignerError):
    """As many devices are accepted as may be."""

    code = "device-limit-reached"
    limit: int


@dataclass(eq=False, kw_only=True)
class DeviceKeyTaken(SignerError):
    """The next key of a device was one of its keys before: a key never comes back by a change."""

    code = "device-key-taken"
    device: str


@dataclass(eq=False, kw_only=True)
class DeviceKeysExhausted(SignerError):
    """The device has as many keys as it may."""

    code = "device-keys-exhausted"
    device: str
    limit: int


@dataclass(eq=False, kw_only=True)
class DeviceTokenNotFound(SignerError):
    """No token of a device that still holds has this ``jti``."""

    code = "device-token-not-found"
    jti: str


@dataclass(eq=False, kw_only=True)
class DeviceKnown(SignerError):
    """A device that should be preauthorised is known already, by its identity."""

    code = "device-known"
    device: str


@dataclass(eq=False, kw_only=True)
class AuthSetOfAnotherDevice(SignerError):
    """The authentication set is there, and is another device's."""

    code = "auth-set-of-another-device"
    device: str
    auth_set: str
