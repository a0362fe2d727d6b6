"""How many answers of a batch go out together.

1. RSA one by one: a signature takes longer than a message does.
2. Others ``FEW`` together, so that they are verified, and other threads help, while the next are made.
3. ``MAX_GROUP`` where this token was seen to sign that fast: there a message costs both sides more than is gained by
   verifying early. Seen once is enough, because on a busy machine a group may take any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hsm.protocol.signing import ALGORITHMS, Batch, Outcome

FEW = 4
MAX_GROUP = 8
FAST = 0.00025  # seconds for a signature
_SLOW = frozenset(number for number, algorithm in enumerate(ALGORITHMS) if algorithm.modulus_bits is not None)


class Groups:
    """What was learned about one token; for any number of threads, which only ever add to it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._fast: set[int] = set()

    def size(self, batch: Batch) -> int:
        """The most answers to a message."""
        kinds = {packed[0] for packed in batch.keys}
        if not kinds.isdisjoint(_SLOW):
            return 1
        return MAX_GROUP if kinds <= self._fast else FEW

    def learn(self, batch: Batch, answers: Sequence[tuple[int, Outcome]], *, began: float) -> None:
        """These answers to ``batch`` were made since ``began``, a reading of ``clock``; refusals tell nothing."""
        kinds = {packed[0] for packed in batch.keys}
        if kinds <= self._fast or len(kinds) > 1 or self.clock() - began >= FAST * len(answers):
            return
        if all(isinstance(outcome, bytes) for _, outcome in answers):
            self._fast |= kinds
