"""Signs the items of a batch: a few at a time in one borrowed session, each with an outcome of its own.

A key is loaded and compared with its pin once for each session and taken from the session's cache afterwards, until
keys are made or removed, or the token is reloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pkcs11 import exceptions as p11

from hsm.errors import KeyNotFound, TokenError
from hsm.protocol.signing import Batch, Outcome, PayloadKind, unpack_key
from hsm.worker import return_values, signing
from hsm.worker.absences import Absences
from hsm.worker.recovery import Recovery, TokenLost
from hsm.worker.sessions import Working

PROBE = b"\x5a" * 32  # signed to see whether the token signs at all; the signature goes nowhere
MAX_HANDLES = 1024  # per session; above it the cache begins anew


class BatchSigner:
    """For any number of threads, each with items of its own."""

    def __init__(self, recovery: Recovery, *, clock: Callable[[], float]) -> None:
        self._recovery = recovery
        self._absences = Absences(clock)

    def sign(self, batch: Batch, numbers: Sequence[int]) -> tuple[list[tuple[int, Outcome]], TokenLost | None]:
        """Outcomes of the items ``numbers``, and that the process has to leave, if so."""
        outcomes: dict[int, Outcome] = {}
        lost = None

        def action(working: Working) -> None:
            for number in numbers:
                if not isinstance(outcomes.get(number), bytes):  # after a reload the others are there already
                    outcomes[number] = self._outcome(working, batch, number)

        try:
            generation = self._recovery.generation()
            self._recovery.run(action)
            self._look_again(batch, outcomes, generation, action)
        except TokenLost as found:
            lost = found
            _fill(outcomes, numbers, found.answer)
        except TokenError as error:
            _fill(outcomes, numbers, error)
        return [(number, outcomes[number]) for number in numbers], lost

    def load(self, working: Working, packed: bytes, *, fresh: bool = False) -> signing.Signer:
        """The key from the session's cache, or ``fresh`` from the token."""
        signer: signing.Signer | None = None if fresh else working.handles.get(packed)
        if signer is None:
            if len(working.handles) >= MAX_HANDLES:
                working.handles.clear()
            working.handles.pop(packed, None)
            signer = signing.load(working.session, unpack_key(packed), self._recovery.sessions.found.mechanisms)
            working.handles[packed] = signer
            self._absences.found(packed)
        return signer

    def _outcome(self, working: Working, batch: Batch, number: int) -> Outcome:
        """One item; raises only what may mean that the token is lost."""
        key, kind, payload = batch.items[number]
        packed = batch.keys[key]
        try:
            signature = self.load(working, packed).sign(kind, payload)
        except TokenError as error:
            return error
        except p11.PKCS11Error as fault:
            if return_values.needs_reload(fault):
                raise
            return return_values.refusal(fault)
        self._signed(packed, kind)
        return signature

    def _signed(self, packed: bytes, kind: PayloadKind) -> None:
        self._recovery.sessions.proven = True
        self._recovery.proof = lambda working: self.load(working, packed).sign(kind, PROBE)

    def _look_again(
        self, batch: Batch, outcomes: dict[int, Outcome], generation: int, action: Callable[[Working], None]
    ) -> None:
        """A key that is missing may be there after a reload: tried once for each, since most likely it is true."""
        missing = _missing(batch, outcomes)
        if not missing or all(self._absences.known(packed) for packed in missing):
            return

        def looked(working: Working) -> bool:
            action(working)
            return not _missing(batch, outcomes)

        if self._recovery.after_absence(generation, looked) is not None:
            for packed in _missing(batch, outcomes):
                self._absences.note(packed)


def _missing(batch: Batch, outcomes: dict[int, Outcome]) -> set[bytes]:
    return {batch.keys[batch.items[number][0]] for number, found in outcomes.items() if isinstance(found, KeyNotFound)}


def _fill(outcomes: dict[int, Outcome], numbers: Iterable[int], error: TokenError) -> None:
    """Those that have no outcome, or one that a reload was to change, are told ``error``."""
    for number in numbers:
        if isinstance(outcomes.get(number), KeyNotFound | None):
            outcomes[number] = error
