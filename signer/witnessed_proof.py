"""Waits for the proof of a signature that witnesses signed too, who are asked after it was given out."""

from __future__ import annotations

import time
from collections.abc import Callable

from signer.answers import ClientError, ServiceRefusal
from signer.errors import LogBeyondCheckpoint, LogEntryNotFound, LogNotWitnessed
from verifier.errors import WitnessesMissing
from verifier.log import LogProof, LogTrust, open_checkpoint

LOOK_SECONDS = 1.0
# Not every worker knows the newest checkpoint, or what witnesses signed, at once.
_NOT_YET = frozenset({LogNotWitnessed.code, LogBeyondCheckpoint.code, LogEntryNotFound.code})


def witnessed_proof(
    ask: Callable[[], bytes],
    trust: LogTrust,
    *,
    patience: float,
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> bytes:
    """The proof file whose checkpoint as many witnesses signed as ``trust`` demands.

    Args:
        ask: the service for the proof under the newest checkpoint that witnesses signed.
        patience: seconds to wait for them.

    Raises ``ClientError`` where they have not signed by then, and a ``verifier.LogError`` for what is no proof.
    """
    latest = now() + patience
    found: tuple[str, ...] = ()
    while True:
        try:
            proof = ask()
            open_checkpoint(
                LogProof.parse(proof).checkpoint, trust.log_keys, witnesses=trust.witnesses, demanded=trust.demanded
            )
        except WitnessesMissing as error:
            found = error.found
        except ServiceRefusal as refusal:
            if refusal.code not in _NOT_YET:
                raise
        else:
            return proof
        if now() >= latest:
            raise ClientError(
                sentence=f"{len(found)} of {trust.demanded} witnesses have signed after {patience:g} s",
                hint="the signature is on record: signing the same artifact again gives the same one",
            )
        wait(LOOK_SECONDS)
