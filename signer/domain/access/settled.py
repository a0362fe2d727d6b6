"""What rules say whatever is shown, and whenever: decided once for each identity, action and key.

1. Kept is what rules say that ask for nothing of an artifact or of the moment. It belongs to their revision, and goes
   with it.
2. What is kept is bounded, and names that no key can have are not kept.
"""

from __future__ import annotations

from signer.domain.access.actions import Action
from signer.domain.access.decisions import Decision, KeyFacts
from signer.domain.identity import Identity
from signer.domain.keys import is_name

MAX_KEPT = 1024

Place = tuple[Identity, Action, KeyFacts]


class Settled:
    """Decisions of one revision of the rules. Safe for threads: one entry is read or replaced as a whole."""

    __slots__ = ("_decisions",)

    def __init__(self) -> None:
        self._decisions: dict[Place, Decision] = {}

    def find(self, place: Place) -> Decision | None:
        """What was decided; None where that is not kept."""
        return self._decisions.get(place)

    def keep(self, place: Place, decision: Decision) -> None:
        """It is so, whatever is shown and whenever."""
        if len(self._decisions) >= MAX_KEPT:
            self._decisions.clear()
        if is_name(place[2].name):
            self._decisions[place] = decision
