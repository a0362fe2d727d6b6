"""A named signing key, its versions, and the words for their states.

A *key* has one purpose and one algorithm for life. A *key version* is one key pair in the token; rotating a key
makes another version. At most one version of a key is active and at most one is next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hsm.algorithms import Algorithm
from signer.errors import AlgorithmNotAllowed, InvalidName, VersionNotFound
from signer.errors.blind import BlindSignNotForPurpose

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Purpose(StrEnum):
    """What a key may sign. Keys of different purposes are never interchangeable."""

    ARTIFACT = "artifact"
    LOG = "log"
    USER_TOKEN = "user-token"  # noqa: S105  (a name, no secret)
    DEVICE_TOKEN = "device-token"  # noqa: S105  (a name, no secret)
    SERVER_CA = "server-ca"
    DEVICE_CA = "device-ca"
    TRUST_ROOT = "trust-root"


# Their keys issue certificates: what others are given, for keys that are not in the token.
CERTIFICATE_AUTHORITIES = frozenset({Purpose.SERVER_CA, Purpose.DEVICE_CA})

ANY_ALGORITHM = frozenset(Algorithm)
DEVICE_ALGORITHMS = ANY_ALGORITHM - {Algorithm.ED25519}

# Mender clients verify artifact signatures with RSA and P-256 only.
PURPOSE_ALGORITHMS: Mapping[Purpose, frozenset[Algorithm]] = MappingProxyType(
    {purpose: DEVICE_ALGORITHMS if purpose is Purpose.ARTIFACT else ANY_ALGORITHM for purpose in Purpose}
)


class VersionState(StrEnum):
    """Where a key version is in its life; ``lifecycle.TRANSITIONS`` says what may follow."""

    PENDING = "pending"  # recorded, the token may or may not hold it yet
    NEXT = "next"  # published so that devices learn it, does not sign yet
    ACTIVE = "active"  # signs
    PREVIOUS = "previous"  # no longer signs, devices still trust it
    RETIRED = "retired"  # no longer signs, no longer published
    DISABLED = "disabled"  # switched off by hand, not published
    QUARANTINED = "quarantined"  # the token's key is not the recorded one; published, does not sign
    DESTROYING = "destroying"  # recorded as gone, the token may still hold it
    DESTROYED = "destroyed"


# What a device should trust now: it verifies old artifacts and is ready for the next key.
TRUSTED_STATES = frozenset({VersionState.NEXT, VersionState.ACTIVE, VersionState.PREVIOUS, VersionState.QUARANTINED})


class Origin(StrEnum):
    """How the key pair came into the token."""

    GENERATED = "generated"
    ADOPTED = "adopted"
    IMPORTED = "imported"  # its private half was once in a file: a copy may be anywhere
    PUBLIC_KEY = "public-key"  # its private half is not here: it only verifies


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When and how often a version may sign. ``None`` means without a bound.

    Attributes:
        not_before: first moment at which it signs, aware UTC.
        not_after: last moment at which it signs, aware UTC.
        signature_limit: how many signatures it makes at most.
    """

    not_before: datetime | None = None
    not_after: datetime | None = None
    signature_limit: int | None = None


UNBOUNDED = Validity()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One key pair. ``spki`` and ``fingerprint`` are absent only while it is pending.

    Attributes:
        number: 1 for the first version of the key.
        cka_id: the CKA_ID of both halves in the token, chosen before the pair exists.
        spki: DER SubjectPublicKeyInfo, pinned when the pair was made.
        fingerprint: lowercase hex SHA-256 of ``spki``.
        tokens: names of the configured tokens that hold it.
        home: names of the tokens in which it has to live before it may become active by rotation, and which it is
            asked of.
        disabled_from: the state that ``enable`` returns to, while disabled or quarantined.
        last_signed_at: when a signature was last reserved, aware UTC.
    """

    id: int
    number: int
    state: VersionState
    origin: Origin
    cka_id: bytes
    spki: bytes | None = field(repr=False)
    fingerprint: str | None
    tokens: tuple[str, ...]
    home: tuple[str, ...]
    created_at: datetime
    validity: Validity
    signature_count: int
    last_signed_at: datetime | None
    disabled_from: VersionState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A named key with all its versions, oldest first.

    Attributes:
        tokens: names of the tokens in which it lives, ``current_home`` of its versions: the next one is made there
            where no others are named.
        blind_sign: it may sign digests too, where a rule lets somebody ask for that.
    """

    id: int
    name: str
    purpose: Purpose
    algorithm: Algorithm
    tokens: tuple[str, ...]
    created_at: datetime
    created_by: str
    versions: tuple[KeyVersion, ...]
    blind_sign: bool = False

    def version(self, number: int) -> KeyVersion:
        """The version with this number; raises ``VersionNotFound``."""
        for version in self.versions:
            if version.number == number:
                return version
        raise VersionNotFound(key=self.name, version=number)

    def in_state(self, state: VersionState) -> KeyVersion | None:
        """The newest version in ``state``, or None."""
        return next((version for version in reversed(self.versions) if version.state is state), None)

    @property
    def active(self) -> KeyVersion | None:
        """The version that signs, or None."""
        return self.in_state(VersionState.ACTIVE)

    @property
    def existing(self) -> tuple[KeyVersion, ...]:
        """The versions whose pair was made or may have been, oldest first; the others never were."""
        return tuple(
            version
            for version in self.versions
            if version.fingerprint is not None or version.state is not VersionState.DESTROYED
        )

    @property
    def trusted(self) -> tuple[KeyVersion, ...]:
        """The versions that a device should trust now, oldest first."""
        return tuple(version for version in self.versions if version.state in TRUSTED_STATES)


def current_home(versions: Sequence[KeyVersion], *, first: tuple[str, ...]) -> tuple[str, ...]:
    """Where a key lives: the home of what signs, else of its newest pair; ``first`` where it has none yet.

    So a key moves with a rotation, and one that was only prepared to move has not moved.
    """
    made = [version for version in versions if version.spki is not None and version.state is not VersionState.DESTROYED]
    signing = [version for version in made if version.state is VersionState.ACTIVE]
    newest = (signing or made)[-1:]
    return newest[0].home if newest else first


def is_name(text: str) -> bool:
    """Whether a key or an API token may be named so."""
    return bool(NAME_PATTERN.fullmatch(text)) and ".." not in text


def checked_name(unverified_name: str) -> str:
    """A key name: 1 to 63 of a-z, 0-9, dot, hyphen, underscore, starting with a letter or digit.

    It becomes part of paths, file names and labels, so nothing else is let in. Raises ``InvalidName``.
    """
    if not is_name(unverified_name):
        raise InvalidName(name=unverified_name)
    return unverified_name


def checked_algorithm(unverified_algorithm: str, purpose: Purpose) -> Algorithm:
    """The algorithm by its name, if keys of ``purpose`` may use it. Raises ``AlgorithmNotAllowed``."""
    allowed = PURPOSE_ALGORITHMS[purpose]
    if unverified_algorithm not in tuple(allowed):
        raise AlgorithmNotAllowed(algorithm=unverified_algorithm, purpose=purpose.value, allowed=tuple(sorted(allowed)))
    return Algorithm(unverified_algorithm)


def checked_blind_sign(*, wanted: bool, key: str, purpose: Purpose) -> bool:
    """Whether the key shall sign digests; raises ``BlindSignNotForPurpose``: of artifacts' manifests alone."""
    if wanted and purpose is not Purpose.ARTIFACT:
        raise BlindSignNotForPurpose(key=key, purpose=purpose.value)
    return wanted
