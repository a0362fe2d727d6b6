"""Signatures whose key was not known where their bundle was looked at, and the keys that leaves pin."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from signer.log.bundle import BundleFacts, Signed, signature_fault
from signer.log.faults import Fault, FaultKind
from signer.log.pinned import Pin, SignatureKey
from signer.log.progress import Progress

Known = Callable[[Pin], SignatureKey | None]
"""Makes a pin known to all that look at bundles; None where it does not hold the key."""


class KeyBook:
    """Takes what bundles pin, in the order of leaves, so that no signature is checked with a key from after it."""

    def __init__(self, progress: Progress, *, known: Known) -> None:
        self._progress = progress
        self._known = known
        for pin in progress.pins.values():
            known(pin)

    def take(self, facts: BundleFacts) -> Iterator[Fault | None]:
        """The next bundle."""
        self._progress.signatures += facts.signatures
        pins = list(facts.pins)
        for signed in facts.waiting:
            while pins and pins[0][0] < signed.index:
                yield self._pin(*pins.pop(0))
            yield self._check(signed)
        for index, pin in pins:
            yield self._pin(index, pin)

    def _pin(self, index: int, pin: Pin) -> Fault | None:
        fault = self._progress.take_pin(index, pin)
        if fault is None:
            self._known(pin)
        return fault

    def _check(self, signed: Signed) -> Fault | None:
        pin = self._progress.pins.get(signed.version)
        key = None if pin is None else self._known(pin)
        if key is None:
            name, version = signed.version
            return Fault(FaultKind.KEY_UNKNOWN, signed.index, {"key": name, "version": version})
        return signature_fault(signed, key)
