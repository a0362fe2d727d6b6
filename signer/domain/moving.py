"""From one token to another: for each key, whether the old token is still needed for it, and the next step if so.

1. A key moves by rotation: its next version is made in the new token, and signs when those who verify know it. Until
   then the version in the old token signs on, whatever becomes of the move.
2. What counts is what tokens hold, not what they were meant to: a version that lives in two tokens is in the old one
   only, until the other holds its pair.
3. Versions that sign no more are verified by their public keys, and need no token. One exception: a CA of devices signs
   the lists of what each of its versions revoked, until that version is retired.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from hsm.algorithms import Algorithm
from signer.domain.consistency import HeldKeyPairs, tokens_of
from signer.domain.keys import Key, KeyVersion, Purpose, VersionState


class MoveStep(StrEnum):
    """What is next for a key whose version is in the old token only."""

    REPAIR = "repair"  # a pair is being made there, or the making was interrupted
    DESTROY = "destroy"  # its destruction is not finished, and only the old token can forget it
    WITHDRAW = "withdraw"  # its next version was made there: retire it
    PREPARE = "prepare"  # make the next version in the new token
    REPLACE = "replace"  # the new token cannot make or use such pairs: another key, or one that is brought there
    AWAIT = "await"  # the next version is in a token that does not show it now
    ROTATE = "rotate"  # the next version is in another token
    SWITCH_OFF = "switch-off"  # a key of the log, whose work another one does
    RETIRE = "retire"  # a former version of a CA of devices, which signs lists still


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step. ``version``: the one that it is about, which for ``PREPARE`` and ``REPLACE`` signs now."""

    key: Key
    version: KeyVersion
    step: MoveStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a move, by their configured names.

    Attributes:
        source: the one that is to leave.
        configured: all that the configuration names.
        held: what each holds; one that could not be read is absent.
        makes: the algorithms that the new token makes pairs for and signs with.
    """

    source: str
    configured: Collection[str]
    held: HeldKeyPairs
    makes: Collection[Algorithm]


# What everything else needs comes first.
ORDER: Mapping[Purpose, int] = MappingProxyType(
    {
        purpose: position
        for position, purpose in enumerate(
            (
                Purpose.LOG,
                Purpose.USER_TOKEN,
                Purpose.DEVICE_TOKEN,
                Purpose.SERVER_CA,
                Purpose.DEVICE_CA,
                Purpose.TRUST_ROOT,
                Purpose.ARTIFACT,
            )
        )
    }
)


def remaining(keys: Iterable[Key], tokens: Tokens) -> tuple[Move, ...]:
    """The next step for each key that still needs the old token, in the order in which they are best taken."""
    known = sorted(keys, key=lambda key: (ORDER[key.purpose], key.name))
    found = (_next(key, known, tokens) for key in known)
    return tuple(move for move in found if move is not None)


def moved(keys: Iterable[Key], tokens: Tokens) -> tuple[Key, ...]:
    """The keys that have pairs in the old token and need them no more, by name."""
    known = tuple(keys)
    needed = {move.key.name for move in remaining(known, tokens)}
    return tuple(
        key
        for key in known
        if key.name not in needed
        and any(tokens.source in tokens_of(each) for each in key.versions if each.state is not VersionState.DESTROYED)
    )


def _next(key: Key, keys: Iterable[Key], tokens: Tokens) -> Move | None:
    for version in key.versions:
        step = _unfinished(version, tokens)
        if step is not None:
            return Move(key=key, version=version, step=step)
    following = key.in_state(VersionState.NEXT)
    if following is not None and _only_there(following, tokens):
        return Move(key=key, version=following, step=MoveStep.WITHDRAW)
    if key.active is not None and _only_there(key.active, tokens):
        return _of_active(key, key.active, following, keys, tokens)
    if key.purpose is Purpose.DEVICE_CA:
        for version in key.versions:
            if version.state is VersionState.PREVIOUS and _only_there(version, tokens):
                return Move(key=key, version=version, step=MoveStep.RETIRE)
    return None


def _unfinished(version: KeyVersion, tokens: Tokens) -> MoveStep | None:
    if tokens.source in tokens_of(version):
        if version.state is VersionState.PENDING:
            return MoveStep.REPAIR
        if version.state is VersionState.DESTROYING:
            return MoveStep.DESTROY
    return None


def _of_active(key: Key, active: KeyVersion, following: KeyVersion | None, keys: Iterable[Key], tokens: Tokens) -> Move:
    pending = key.in_state(VersionState.PENDING)
    if pending is not None:
        return Move(key=key, version=pending, step=MoveStep.REPAIR)
    if key.purpose is Purpose.LOG and any(_signs_elsewhere(other, tokens) for other in keys if other.id != key.id):
        return Move(key=key, version=active, step=MoveStep.SWITCH_OFF)
    if following is not None:
        step = MoveStep.ROTATE if _elsewhere(following, tokens) else MoveStep.AWAIT
        return Move(key=key, version=following, step=step)
    step = MoveStep.PREPARE if key.algorithm in tokens.makes else MoveStep.REPLACE
    return Move(key=key, version=active, step=step)


def _signs_elsewhere(key: Key, tokens: Tokens) -> bool:
    return key.purpose is Purpose.LOG and key.active is not None and _elsewhere(key.active, tokens)


def _only_there(version: KeyVersion, tokens: Tokens) -> bool:
    return tokens.source in version.home and not _elsewhere(version, tokens)


def _elsewhere(version: KeyVersion, tokens: Tokens) -> bool:
    """Whether another configured token of its home holds this very pair."""
    return any(
        pair.key_id == version.cka_id and pair.has_private and pair.spki in (version.spki, None)
        for token in version.home
        if token != tokens.source and token in tokens.configured
        for pair in tokens.held.get(token, ())
    )
