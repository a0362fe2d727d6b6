"""The log as far as this process has verified it itself, leaf by leaf: what alone it lets be signed.

Whoever can write the database can write leaves, hashes, tiles and the head, all of them consistently. So a head that
the database tells is never certified as it is told:

1. A verified log is extended from the bytes of leaves, whose hashes are computed here, and from nothing else.
2. Time does not go back, save in a ``clock-corrected`` leaf, whose own time is what it was corrected to.
3. A leaf that changes who may do what says from which state of those tables it starts (``access_before``). That has
   to be the one that is held, and revisions never fall (a new credential leaves the revision as it is): an old row
   that is put back, or a planted one, shows in a leaf or stops everything. Only ``log-created``, as the first leaf,
   starts from nothing.
4. A smaller log, or another of the same size, is refused by name; nothing is ever forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import cast

from signer.errors import LogDamaged, LogForked, LogRolledBack
from verifier.errors import LeafMalformed
from verifier.log import Frontier, leaf_hash, parsed_leaf
from verifier.log.leaves import LeafValue

# The one type whose leaves may set the time back.
CLOCK_CORRECTED = "clock-corrected"
LOG_CREATED = "log-created"
REVISION, BEFORE, AFTER = "access_revision", "access_before", "access_sha256"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState:
    """The tables that give power, as a leaf left them. ``sha256``: over all their rows, lowercase hex."""

    revision: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """A log whose every leaf was hashed by whoever holds this, or by a process before it that left it on the disk.

    Attributes:
        access: None until a leaf has told it.
        newest: time of the newest leaf, aware UTC; None where there is no leaf.
    """

    frontier: Frontier = field(default_factory=Frontier)
    access: AccessState | None = None
    newest: datetime | None = None

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self.frontier.size

    def beyond(self, *, size: int, root: bytes) -> range:
        """The leaves that a log of ``size`` under ``root`` has more.

        Raises ``LogRolledBack`` where it has fewer, and ``LogForked`` where it is another of the same size.
        """
        if size < self.size:
            raise LogRolledBack(verified=self.size, found=size)
        if size == self.size:
            self.require(root)
        return range(self.size, size)

    def require(self, root: bytes) -> None:
        """Raises ``LogForked`` unless the log that was verified has this root."""
        own = self.frontier.root
        if own != root:
            raise LogForked(size=self.size, expected=own.hex(), found=root.hex())

    def extended(self, leaves: Iterable[bytes], *, own: Mapping[bytes, datetime] | None = None) -> VerifiedLog:
        """The log with these leaves after it; raises ``LogDamaged``.

        Args:
            leaves: as they are stored.
            own: leaves that this very process made and that say nothing of access, with their times: they need not
                be read to be known. What is stored differently is not among them, and is read.
        """
        known = own or {}
        hashes: list[bytes] = []
        access, newest = self.access, self.newest
        for index, leaf in enumerate(leaves, self.size):
            time = known.get(leaf)
            claims = _claims(leaf, index) if time is None else _Claims(time=time)
            if newest is not None and claims.time < newest and not claims.may_go_back:
                raise LogDamaged(index=index, problem="its time is before that of the leaf before it")
            newest = claims.time
            if claims.step is not None:
                access = _followed(access, claims.step, index)
            hashes.append(leaf_hash(leaf))
        return VerifiedLog(frontier=grown(self.frontier, tuple(hashes)), access=access, newest=newest)


@lru_cache(maxsize=1)
def grown(frontier: Frontier, hashes: tuple[bytes, ...]) -> Frontier:
    """The tree with leaves of these hashes appended.

    The last answer is kept: who has appended leaves asks the same once more with the hashes of what is stored.
    """
    return frontier.extended(hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """From one state of the tables that give power to the next; ``before`` is a digest, None at the beginning."""

    before: str | None
    after: AccessState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claims:
    """What a leaf says that later leaves have to fit to."""

    time: datetime
    may_go_back: bool = False
    step: _Step | None = None


def _claims(leaf: bytes, index: int) -> _Claims:
    try:
        members = parsed_leaf(leaf)
    except LeafMalformed as error:
        raise LogDamaged(index=index, problem=error.problem) from None
    return _Claims(
        time=_time(members.get("time"), index),
        may_go_back=members.get("type") == CLOCK_CORRECTED,
        step=_step(members, index),
    )


def _time(unverified: LeafValue | None, index: int) -> datetime:
    if not isinstance(unverified, str) or _TIME.fullmatch(unverified) is None:
        raise LogDamaged(index=index, problem="its time is not there, or not in the one form of times")
    try:
        return datetime.fromisoformat(unverified)
    except ValueError:
        raise LogDamaged(index=index, problem="its time is none of the calendar") from None


def _step(members: Mapping[str, LeafValue], index: int) -> _Step | None:
    if not members.keys() & {REVISION, BEFORE, AFTER}:
        return None
    revision, before, after = members.get(REVISION), members.get(BEFORE), members.get(AFTER)
    begins = index == 0 and members.get("type") == LOG_CREATED and before is None
    whole = isinstance(revision, int) and _is_digest(after) and (begins or _is_digest(before))
    if not whole or isinstance(revision, bool):
        raise LogDamaged(index=index, problem="what it says of access is not complete")
    state = AccessState(revision=cast("int", revision), sha256=str(after))
    return _Step(before=None if begins else str(before), after=state)


def _is_digest(value: LeafValue | None) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _followed(held: AccessState | None, step: _Step, index: int) -> AccessState:
    if held is not None and step.before != held.sha256:
        raise LogDamaged(index=index, problem="it changes another state of access than the one that was left")
    if held is not None and step.after.revision < held.revision:
        raise LogDamaged(index=index, problem="its revision of access is below the one before")
    return step.after
