"""What the witnesses of a log need of it: the committed log as they are shown it, and who they are."""

from __future__ import annotations

from collections.abc import Sequence

from signer.addresses import Address
from signer.log_settings import LogSettings
from signer.recorder.witness_round import AskedWitness
from signer.services.log_tree import LogTree
from signer.services.ports import LogReader
from verifier.log import EMPTY_ROOT, VerifierKey


class CommittedTree:
    """``witness_round.CommittedLog`` over a database: nothing is remembered, for it may be another one tomorrow."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader

    def size(self) -> int:
        """Of the committed head, looked at now."""
        return self._reader.head().size

    def root(self, size: int) -> bytes:
        """Of the first ``size`` leaves."""
        return LogTree(self._reader.stored_hashes).root(size) if size else EMPTY_ROOT

    def consistency(self, old_size: int, size: int) -> Sequence[bytes]:
        """The path that proves that the log of ``size`` begins with that of ``old_size``."""
        return LogTree(self._reader.stored_hashes).consistency(old_size, size) if old_size else ()


def asked_witnesses(settings: LogSettings) -> list[AskedWitness]:
    """Those that the settings name."""
    return [
        AskedWitness(
            name=each.name,
            address=Address.parse(each.url),
            key=VerifierKey.parse(each.verifier_key),
            ca_file=each.ca_file,
        )
        for each in settings.witnesses
    ]
