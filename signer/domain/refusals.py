"""Refusals by policy, as leaves of the log: who asked for what and was told no. Bounded, whoever asks how often.

Only callers that were authenticated stand there. Of each at most ``PER_MINUTE`` in a minute; the others are counted,
and the next leaf of that caller tells how many there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from signer.domain.leaves import LeafDraft, LogEvent, bounded
from verifier.log.leaves import LeafValue

PER_MINUTE = 10
MINUTE_SECONDS = 60.0
# Credentials are on record, so there are not more callers than somebody made; this bounds what is kept of them.
MAX_CALLERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCall:
    """Somebody known who was refused a signature.

    Attributes:
        reason: the sentence that the caller got.
        request_id: as the log line of the request has it; empty where it was refused before it had a body.
        manifest_sha256: lowercase hex; empty where nothing was read yet.
    """

    identity: str
    key: str
    reason: str
    request_id: str = ""
    manifest_sha256: str = ""

    def draft(self, *, suppressed: int) -> LeafDraft:
        """The leaf. ``suppressed``: how many refusals of this caller have none of their own since the last one."""
        members: dict[str, LeafValue] = {"key": self.key, **bounded("reason", self.reason)}
        optional: dict[str, LeafValue] = {
            "request": self.request_id,
            "manifest_sha256": self.manifest_sha256,
            "suppressed": suppressed,
        }
        members |= {name: value for name, value in optional.items() if value}
        return LeafDraft(type=LogEvent.SIGNATURE_REFUSED, actor=self.identity, members=members)


@dataclass(slots=True)
class _Caller:
    began: float
    told: int = 0
    suppressed: int = 0


class RefusalBound:
    """Lets through what may become a leaf. For one thread."""

    def __init__(self) -> None:
        self._callers: dict[str, _Caller] = {}

    def drafts(self, calls: Iterable[RefusedCall], *, now: float) -> list[LeafDraft]:
        """The leaves that these refusals become at ``now``, seconds of a clock that nobody sets."""
        return [draft for call in calls if (draft := self._draft(call, now)) is not None]

    def _draft(self, call: RefusedCall, now: float) -> LeafDraft | None:
        caller = self._callers.get(call.identity)
        if caller is None:
            if len(self._callers) >= MAX_CALLERS:
                self._forget(now)
            if len(self._callers) >= MAX_CALLERS:
                return None
            caller = self._callers[call.identity] = _Caller(began=now)
        if now - caller.began >= MINUTE_SECONDS:
            caller.began, caller.told = now, 0
        if caller.told >= PER_MINUTE:
            caller.suppressed += 1
            return None
        suppressed, caller.suppressed = caller.suppressed, 0
        caller.told += 1
        return call.draft(suppressed=suppressed)

    def _forget(self, now: float) -> None:
        """Those of whom nothing is left to tell."""
        self._callers = {
            name: caller
            for name, caller in self._callers.items()
            if caller.suppressed or now - caller.began < MINUTE_SECONDS
        }
