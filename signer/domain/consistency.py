"""What the records say and what the tokens hold, compared: a crash between the two leaves a remain, named here.

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
Pairs = Mapping[str, tuple[TokenKey, ...]]

UNMADE_OR_GONE = frozenset({VersionState.PENDING, VersionState.DESTROYING, VersionState.DESTROYED})


class Kind(StrEnum):
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
class Remain:
    """One thing that records and tokens do not agree on.

    Attributes:
        key: key name; None where no record names the pair.
        version: version number; None with ``key``.
        state: state of the version; None with ``key``.
        token: configured name of the token concerned; None where it is not one.
        cka_id: the CKA_ID concerned.
        label: CKA_LABEL of an unrecorded pair, as the token gives it.
        age: time since the version was recorded; None with ``key``.
        silent: tokens of the key that could not be read.
    """

    kind: Kind
    key: str | None = None
    version: int | None = None
    state: VersionState | None = None
    token: str | None = None
    cka_id: bytes
    label: str = ""
    age: timedelta | None = None
    silent: tuple[str, ...] = ()


def compare(keys: Iterable[Key], pairs: Pairs, *, now: datetime, patience: timedelta) -> tuple[Remain, ...]:
    """Everything that records and tokens do not agree on.

    ``patience``: how long the making of a pair may be under way; a younger pending version is ``PENDING_FRESH``.
    ``pairs`` has to be read before ``keys``: a record is always older than its pair, so nothing that is being made
    meanwhile is taken for unrecorded.
    """
    known = tuple(keys)
    found: list[Remain] = []
    for key in known:
        for version in key.versions:
            if version.state is VersionState.PENDING:
                found.append(pending(key, version, pairs, now=now, patience=patience))
            elif version.state is VersionState.DESTROYING:
                found.append(_remain(Kind.DESTROYING, key, version, now=now))
            elif version.state not in UNMADE_OR_GONE:
                found.extend(_against_pin(key, version, pairs, now=now))
    return (*found, *_unrecorded(known, pairs))


def pending(key: Key, version: KeyVersion, pairs: Pairs, *, now: datetime, patience: timedelta) -> Remain:
    """What became of a pending version."""
    silent = tuple(token for token in tokens_of(key, version) if token not in pairs)
    holder, halves = _holder(key, version, pairs)
    if now - version.created_at < patience:
        kind = Kind.PENDING_FRESH
    elif holder is not None:
        kind = Kind.PENDING_MADE if _as_made(key, version, halves) else Kind.PENDING_UNFIT
    else:
        kind = Kind.PENDING_UNDECIDED if silent else Kind.PENDING_ABSENT
    return _remain(kind, key, version, now=now, token=holder, silent=silent)


def tokens_of(key: Key, version: KeyVersion) -> tuple[str, ...]:
    """Every token in which the version may be, by name."""
    return tuple(dict.fromkeys([*version.tokens, *key.tokens]))


def _holder(key: Key, version: KeyVersion, pairs: Pairs) -> tuple[str | None, tuple[TokenKey, ...]]:
    """The first token that holds anything under the version's CKA_ID, and what."""
    for token in tokens_of(key, version):
        halves = _under(version.cka_id, pairs.get(token, ()))
        if halves:
            return token, halves
    return None, ()


def _as_made(key: Key, version: KeyVersion, halves: tuple[TokenKey, ...]) -> bool:
    """Whether this is one whole pair of the key's algorithm, and, if it was to be generated, one that stays inside."""
    if len(halves) != 1:
        return False
    (pair,) = halves
    whole = pair.has_private and pair.has_public and pair.spki is not None and pair.algorithm is key.algorithm
    return whole and (version.origin is Origin.ADOPTED or (pair.sensitive and not pair.extractable))


def _against_pin(key: Key, version: KeyVersion, pairs: Pairs, *, now: datetime) -> Iterator[Remain]:
    for token in version.tokens:
        if token not in pairs:
            continue
        halves = _under(version.cka_id, pairs[token])
        if not any(half.has_private for half in halves):
            yield _remain(Kind.MISSING, key, version, now=now, token=token)
        elif len(halves) > 1 or halves[0].spki not in (version.spki, None):
            yield _remain(Kind.DIFFERENT, key, version, now=now, token=token)


def _unrecorded(keys: Iterable[Key], pairs: Pairs) -> Iterator[Remain]:
    recorded = {
        version.cka_id for key in keys for version in key.versions if version.state is not VersionState.DESTROYED
    }
    for token, held in pairs.items():
        for pair in held:
            if pair.key_id not in recorded:
                yield Remain(kind=Kind.UNRECORDED, token=token, cka_id=pair.key_id, label=pair.label)


def _under(cka_id: bytes, held: Iterable[TokenKey]) -> tuple[TokenKey, ...]:
    return tuple(pair for pair in held if pair.key_id == cka_id)


def _remain(
    kind: Kind,
    key: Key,
    version: KeyVersion,
    *,
    now: datetime,
    token: str | None = None,
    silent: tuple[str, ...] = (),
) -> Remain:
    return Remain(
        kind=kind,
        key=key.name,
        version=version.number,
        state=version.state,
        token=token,
        cka_id=version.cka_id,
        age=now - version.created_at,
        silent=silent,
    )
