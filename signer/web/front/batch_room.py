"""How much memory batches may hold at once, in one worker.

A batch counts from before its body is asked for until it was answered: its text, what that decodes to, and the answers,
which are larger than the smallest items. One that does not fit is refused before a byte of it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from signer.application import BodyLimit
from signer.errors import BodyTooLarge
from signer.errors.batches import BatchesExhausted
from signer.web.batch_reader import MAX_ITEMS

# Of the largest ones, how many at once.
LARGEST_AT_ONCE = 2
# What one answer takes, with the proof of a log of 2^40 leaves.
ANSWER_BYTES = 6 << 10
# Less text than this asks for nothing that is signed: a manifest has two digests at least.
LEAST_ITEM_TEXT = 256


class BatchRoom:
    """The batches of one worker, for its event loop."""

    def __init__(self, limit: BodyLimit) -> None:
        self._limit = limit
        self._free = LARGEST_AT_ONCE * self._cost(limit.octets)

    @contextmanager
    def taken(self, length: int | None) -> Iterator[None]:
        """Holds what a body of ``length`` bytes takes, None: unknown. Raises ``BodyTooLarge``, ``BatchesExhausted``."""
        if length is not None and length > self._limit.octets:
            raise BodyTooLarge(limit=self._limit.octets, setting=self._limit.setting)
        cost = self._cost(self._limit.octets if length is None else length)
        if cost > self._free:
            raise BatchesExhausted
        self._free -= cost
        try:
            yield
        finally:
            self._free += cost

    @staticmethod
    def _cost(length: int) -> int:
        return 2 * length + min(MAX_ITEMS, 1 + length // LEAST_ITEM_TEXT) * ANSWER_BYTES
