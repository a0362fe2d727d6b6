"""What happened to keys and to access, as a closed set of typed events.

Every change of a record writes exactly one event, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventType(StrEnum):
    """Every kind of event; documented in docs/api/events.md."""

    CREATION_STARTED = "creation-started"
    CREATION_ABANDONED = "creation-abandoned"
    KEY_CREATED = "key-created"
    KEY_ADOPTED = "key-adopted"
    KEY_IMPORTED = "key-imported"
    PUBLIC_KEY_IMPORTED = "public-key-imported"
    VERSION_PREPARED = "version-prepared"
    KEY_ROTATED = "key-rotated"
    KEY_BLIND_SIGN_CHANGED = "key-blind-sign-changed"
    VERSION_RETIRED = "version-retired"
    VERSION_DISABLED = "version-disabled"
    VERSION_ENABLED = "version-enabled"
    VERSION_QUARANTINED = "version-quarantined"
    DESTRUCTION_STARTED = "destruction-started"
    VERSION_DESTROYED = "version-destroyed"
    CERTIFICATE_ISSUED = "certificate-issued"
    REQUEST_ISSUED = "certificate-request-issued"
    CERTIFICATE_IMPORTED = "certificate-imported"
    CLOCK_CORRECTED = "clock-corrected"
    API_TOKEN_CREATED = "api-token-created"  # noqa: S105  (a name, no secret)
    API_TOKEN_REVOKED = "api-token-revoked"  # noqa: S105  (the same)
    API_TOKEN_REINSTATED = "api-token-reinstated"  # noqa: S105  (the same)
    POLICY_APPLIED = "policy-applied"
    PERSON_CREATED = "person-created"
    PERSON_CHANGED = "person-changed"
    PERSON_DISABLED = "person-disabled"
    PERSON_ENABLED = "person-enabled"
    GROUP_CHANGED = "group-changed"
    FLOOR_SET = "floor-set"
    CI_SESSION_CREATED = "ci-session-created"
    SERVER_CERTIFICATE_CREATED = "server-certificate-created"
    SERVER_CERTIFICATE_REQUESTED = "server-certificate-requested"
    SERVER_CERTIFICATE_IMPORTED = "server-certificate-imported"
    SERVER_CERTIFICATE_PUBLISHED = "server-certificate-published"
    SERVER_CERTIFICATE_SWITCHED = "server-certificate-switched"
    SERVER_CERTIFICATE_RETIRED = "server-certificate-retired"
    SERVER_CERTIFICATE_EXPIRING = "server-certificate-expiring"
    CLIENT_CERTIFICATE_REVOKED = "client-certificate-revoked"
    CI_SESSION_REVOKED = "ci-session-revoked"
    APPROVAL_REQUESTED = "approval-requested"
    APPROVAL_VOTED = "approval-voted"
    USER_CREATED = "user-created"
    USER_IMPORTED = "user-imported"
    USER_CHANGED = "user-changed"
    USER_DISABLED = "user-disabled"
    USER_ENABLED = "user-enabled"
    USER_DELETED = "user-deleted"
    USER_PASSWORD_CHANGED = "user-password-changed"  # noqa: S105  (the same)
    USER_SECOND_FACTOR_CHANGED = "user-second-factor-changed"
    USER_TOKEN_ENDED = "user-token-ended"  # noqa: S105  (the same)
    DEVICE_ACCEPTED = "device-accepted"
    DEVICE_REJECTED = "device-rejected"
    DEVICE_PENDING = "device-pending"
    DEVICE_PREAUTHORIZED = "device-preauthorized"
    DEVICE_KEY_PLANNED = "device-key-planned"
    DEVICE_KEY_CHANGED = "device-key-changed"
    DEVICE_KEY_DISMISSED = "device-key-dismissed"
    DEVICE_DECOMMISSIONED = "device-decommissioned"
    DEVICE_CERTIFIED = "device-certified"
    DEVICE_CERTIFICATE_ISSUED = "device-certificate-issued"
    DEVICE_REVOCATION_LIST_ISSUED = "device-revocation-list-issued"
    DEVICE_IMPORTED = "device-imported"
    DEVICE_TOKEN_REVOKED = "device-token-revoked"  # noqa: S105  (the same)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Who did what to which version, and what it changed.

    Attributes:
        actor: the identity's name, or ``artifact-signer`` for what the service does by itself.
        key: key name; None where no key is concerned.
        version: version number; None where the whole key is concerned.
        before: the facts that changed, as they were; values are strings, numbers or None.
        after: the same facts as they are now.
    """

    type: EventType
    actor: str
    key: str | None
    version: int | None
    before: Mapping[str, object]
    after: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event with its place in the record: ``id`` grows by one, ``at`` is aware UTC."""

    id: int
    at: datetime
    event: Event
