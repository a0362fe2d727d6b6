"""What the records say and what the tokens hold, compared: a crash between the two leaves a discrepancy, named here.

1. A pending version is a pair that may or may not have been made; a ``destroying`` one may or may not be gone.
2. A pair that no record names signs nothing: it is told, never touched.
3. A recorded version without its pair, or with another pair in its place, is told; a token that could not be read
   proves neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hsm import TokenKey
from signer.domain.keys import Key, KeyVersion, Origin, VersionState

# What tokens hold, by configured name; a token that could not be read is absent.
HeldKeyPairs = Mapping[str, tuple[TokenKey, ...]]

UNMADE_OR_GONE = frozenset({VersionState.PENDING, VersionState.DESTROYING, VersionState.DESTROYED})


class DiscrepancyKind(StrEnum):
    """What can be left, and what can have changed behind the service's back."""

    PENDING_MADE = "pending-made"  # the pair is in the token, the record does not say so yet
    PENDING_UNFIT = "pending-unfit"  # something has the CKA_ID, but not a pair as it was to be made
    PENDING_ABSENT = "pending-absent"  # no token of the key holds the pair
    PENDING_UNDECIDED = "pending-undecided"  # not seen, and a token could not be read
    PENDING_FRESH = "pending-fresh"  # young enough to be under way in a worker
    DESTROYING = "destroying"
    UNRECORDED = "unrecorded"  # a pair, or half of one, that no record names
    MISSING = "missing"  # a recorded version whose token lacks the pair
    DIFFERENT = "different"  # a recorded version whose token holds another public key, or several


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """One thing that records and tokens do not agree on.

    Attributes:
        key: key name; None where no record names the pair.
        version: version number; None with ``key``.
        state: state of the version; None with ``key``.
        token: configured name of the token concerned; None where it is not one.
        cka_id: the CKA_ID concerned.
        pair: an unrecorded pair, or half of one, as the token gives it; None for the others.
        age: time since the version was recorded; None with ``key``.
        unreachable: tokens of the key that could not be read.
    """

    kind: DiscrepancyKind
    key: str | None = None
    version: int | None = None
    state: VersionState | None = None
    token: str | None = None
    cka_id: bytes
    pair: TokenKey | None = None
    age: timedelta | None = None
    unreachable: tuple[str, ...] = ()


def compare(
    keys: Iterable[Key], pairs: HeldKeyPairs, *, now: datetime, pending_age: timedelta
) -> tuple[Discrepancy, ...]:
    """Everything that records and tokens do not agree on.

    ``pending_age``: how long the making of a pair may be under way; a younger pending version is ``PENDING_FRESH``.
    ``pairs`` has to be read before ``keys``: a record is always older than its pair, so nothing that is being made
    meanwhile is taken for unrecorded.
    """
    known = tuple(keys)
    found: list[Discrepancy] = []
    for key in known:
        for version in key.versions:
            if version.state is VersionState.PENDING:
                found.append(pending(key, version, pairs, now=now, pending_age=pending_age))
            elif version.state is VersionState.DESTROYING:
                found.append(_discrepancy(DiscrepancyKind.DESTROYING, key, version, now=now))
            elif version.state not in UNMADE_OR_GONE:
                found.extend(_against_pin(key, version, pairs, now=now))
    return (*found, *_unrecorded(known, pairs))


def pending(
    key: Key, version: KeyVersion, pairs: HeldKeyPairs, *, now: datetime, pending_age: timedelta
) -> Discrepancy:
    """What became of a pending version."""
    unreachable = tuple(token for token in tokens_of(version) if token not in pairs)
    holder, key_objects = _holder(version, pairs)
    if now - version.created_at < pending_age:
        kind = DiscrepancyKind.PENDING_FRESH
    elif holder is not None:
        kind = DiscrepancyKind.PENDING_MADE if as_made(key, version, key_objects) else DiscrepancyKind.PENDING_UNFIT
    else:
        kind = DiscrepancyKind.PENDING_UNDECIDED if unreachable else DiscrepancyKind.PENDING_ABSENT
    return _discrepancy(kind, key, version, now=now, token=holder, unreachable=unreachable)


def tokens_of(version: KeyVersion) -> tuple[str, ...]:
    """Every token in which the version may be, by name."""
    return tuple(dict.fromkeys([*version.tokens, *version.home]))


def _holder(version: KeyVersion, pairs: HeldKeyPairs) -> tuple[str | None, tuple[TokenKey, ...]]:
    """The first token that holds anything under the version's CKA_ID, and what."""
    for token in tokens_of(version):
        key_objects = _under(version.cka_id, pairs.get(token, ()))
        if key_objects:
            return token, key_objects
    return None, ()


def as_made(key: Key, version: KeyVersion, key_objects: tuple[TokenKey, ...]) -> bool:
    """Whether this is one whole pair of the key's algorithm, and, if it was to be generated, one that stays inside."""
    if len(key_objects) != 1:
        return False
    (pair,) = key_objects
    whole = pair.has_private and pair.has_public and pair.spki is not None and pair.algorithm is key.algorithm
    return whole and (version.origin is Origin.ADOPTED or (pair.sensitive and not pair.extractable))


def _against_pin(key: Key, version: KeyVersion, pairs: HeldKeyPairs, *, now: datetime) -> Iterator[Discrepancy]:
    for token in version.tokens:
        if token not in pairs:
            continue
        key_objects = _under(version.cka_id, pairs[token])
        if not any(key_object.has_private for key_object in key_objects):
            yield _discrepancy(DiscrepancyKind.MISSING, key, version, now=now, token=token)
        elif len(key_objects) > 1 or key_objects[0].spki not in (version.spki, None):
            yield _discrepancy(DiscrepancyKind.DIFFERENT, key, version, now=now, token=token)


def _unrecorded(keys: Iterable[Key], pairs: HeldKeyPairs) -> Iterator[Discrepancy]:
    recorded = {
        version.cka_id for key in keys for version in key.versions if version.state is not VersionState.DESTROYED
    }
    for token, held in pairs.items():
        for pair in held:
            if pair.key_id not in recorded:
                yield Discrepancy(kind=DiscrepancyKind.UNRECORDED, token=token, cka_id=pair.key_id, pair=pair)


def _under(cka_id: bytes, held: Iterable[TokenKey]) -> tuple[TokenKey, ...]:
    return tuple(pair for pair in held if pair.key_id == cka_id)


def _discrepancy(
    kind: DiscrepancyKind,
    key: Key,
    version: KeyVersion,
    *,
    now: datetime,
    token: str | None = None,
    unreachable: tuple[str, ...] = (),
) -> Discrepancy:
    return Discrepancy(
        kind=kind,
        key=key.name,
        version=version.number,
        state=version.state,
        token=token,
        cka_id=version.cka_id,
        age=now - version.created_at,
        unreachable=unreachable,
    )
