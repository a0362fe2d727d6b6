"""Devices and their authentication sets: an identity, the keys under which it asks, and what was decided about each.

1. An authentication set is one key of one device. What a person does with it is a row of ``STEPS``; what is absent is
   refused. A preauthorised set becomes accepted by the first request that its key has signed, and by nothing else.
2. At most one set of a device is accepted: whichever becomes it takes the place of the one before.
3. A device has the highest status of its sets.
4. What was taken away never comes back by itself: a set that was dismissed, and a device that was decommissioned, stay
   on record, and their ids name nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from signer.domain.auth_requests import LastFresh
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.errors import AuthSetNotFound, DeviceRefusal, DeviceStepNotAllowed

# Of one device, whatever was decided about them.
MAX_KEYS = 20


class AuthStatus(StrEnum):
    """What was decided about a key."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PREAUTHORIZED = "preauthorized"
    DISMISSED = "dismissed"  # deleted: shown to nobody, and kept so that it gives no power again


class DeviceStatus(StrEnum):
    """What a device may, by all its keys."""

    ACCEPTED = "accepted"
    PREAUTHORIZED = "preauthorized"
    PENDING = "pending"
    REJECTED = "rejected"
    NOAUTH = "noauth"  # it has no key


# From the highest to the lowest.
_ORDER = (AuthStatus.ACCEPTED, AuthStatus.PREAUTHORIZED, AuthStatus.PENDING, AuthStatus.REJECTED)
# What a person may decide about a key: from where to where.
STEPS: Mapping[AuthStatus, frozenset[AuthStatus]] = MappingProxyType(
    {
        AuthStatus.PENDING: frozenset({AuthStatus.ACCEPTED, AuthStatus.REJECTED}),
        AuthStatus.ACCEPTED: frozenset({AuthStatus.PENDING, AuthStatus.REJECTED}),
        AuthStatus.REJECTED: frozenset({AuthStatus.ACCEPTED, AuthStatus.PENDING}),
    }
)
DECISIONS = frozenset(status for reached in STEPS.values() for status in reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSet:
    """One key of a device.

    Attributes:
        id: a UUID.
        created_at: aware UTC.
        valid_until: of a pending set, when it is forgotten; of a preauthorised one, until when its key is awaited, and
            of a rejected one, until when it was.
        replaces: the id of the set in whose place this one is to come.
        overlap: seconds for which the set that is replaced is awaited again afterwards.
        last_fresh: what its key has sent last of its own time; None: never.
        client_ca: the CA with whose certificate its key has come; from then on it needs one. None: it never has.
    """

    id: str
    key: DevicePublicKey
    status: AuthStatus
    created_at: datetime
    valid_until: datetime | None = None
    replaces: str | None = None
    overlap: int = 0
    last_fresh: LastFresh | None = None
    client_ca: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether the time in which it was awaited has ended."""
        return self.valid_until is not None and self.valid_until <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device with its sets that were not dismissed, the oldest first. ``id``: a UUID."""

    id: str
    identity: DeviceIdentity
    created_at: datetime
    updated_at: datetime
    checked_in_at: datetime | None
    sets: tuple[AuthSet, ...]

    @property
    def status(self) -> DeviceStatus:
        """The highest of its sets."""
        return status_of(each.status for each in self.sets)

    @property
    def accepted(self) -> AuthSet | None:
        """The set by which it gets tokens."""
        return next((each for each in self.sets if each.status is AuthStatus.ACCEPTED), None)

    def set_of(self, auth_set: str) -> AuthSet:
        """One of its sets; raises ``AuthSetNotFound``."""
        found = next((each for each in self.sets if each.id == auth_set), None)
        if found is None:
            raise AuthSetNotFound(device=self.id, auth_set=auth_set)
        return found

    def with_key(self, key: DevicePublicKey) -> AuthSet | None:
        """The set of a key; None where there is none."""
        return next((each for each in self.sets if each.key.sha256 == key.sha256), None)

    def refusal_of(self, auth_set: AuthSet, now: datetime) -> DeviceRefusal | None:
        """Why the set gets no token now; None where it does, or will by the next request."""
        match auth_set.status:
            case AuthStatus.ACCEPTED:
                return None
            case AuthStatus.PREAUTHORIZED:
                return DeviceRefusal.EXPIRED if auth_set.is_over(now) else None
            case AuthStatus.REJECTED if auth_set.valid_until is not None:
                return DeviceRefusal.EXPIRED
            case AuthStatus.PENDING:
                known = self.status in (DeviceStatus.ACCEPTED, DeviceStatus.PREAUTHORIZED)
                return DeviceRefusal.KEY_DIFFERS if known else DeviceRefusal.PENDING
        return DeviceRefusal.REJECTED


def status_of(statuses: Iterable[AuthStatus]) -> DeviceStatus:
    """The status of a device with sets of these."""
    found = set(statuses)
    return next((DeviceStatus(each.value) for each in _ORDER if each in found), DeviceStatus.NOAUTH)


def checked_step(status: AuthStatus, unverified_wanted: str) -> AuthStatus | None:
    """What the set becomes; None where it is that already. Raises ``DeviceStepNotAllowed``."""
    wanted = next((each for each in DECISIONS if each.value == unverified_wanted), None)
    if wanted is not None and wanted is status:
        return None
    if wanted is None or wanted not in STEPS.get(status, frozenset()):
        raise DeviceStepNotAllowed(status=status.value, wanted=unverified_wanted[:20])
    return wanted
