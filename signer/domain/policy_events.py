"""The event that tells of a policy that was put in force."""

from __future__ import annotations

from signer.domain.events import Event, EventType
from signer.domain.leaves import bounded
from verifier.log.leaves import LeafValue


def applied_event(
    *, revision: int, text: str, sha256: str, rules: int, actor: str, reason: str, break_glass: bool
) -> Event:
    """Who put which policy in force, and why. Its text is in it where it is short enough for a leaf.

    ``revision``: its own; ``sha256``: of the text; ``rules``: how many it has.
    """
    after: dict[str, LeafValue] = {
        "revision": revision,
        "sha256": sha256,
        "bytes": len(text.encode()),
        "rules": rules,
        "reason": reason,
    }
    if break_glass:
        after["break_glass"] = True
    whole: dict[str, LeafValue] = {**after, "text": text}
    return Event(
        type=EventType.POLICY_APPLIED,
        actor=actor,
        key=None,
        version=None,
        before={} if revision == 1 else {"revision": revision - 1},
        after=whole if "after" in bounded("after", whole) else after,
    )
