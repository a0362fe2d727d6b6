"""The signature on record, as it leaves."""

from __future__ import annotations

from signer.domain.keys import Key, KeyVersion
from signer.domain.records import Recorded
from signer.domain.requests import Signature


def released(key: Key, version: KeyVersion, recorded: Recorded, *, emergency: bool) -> Signature:
    """What the caller gets of what was recorded."""
    return Signature(
        encoded=recorded.signature,
        key=key.name,
        version=version.number,
        algorithm=key.algorithm.value,
        fingerprint=version.fingerprint or "",
        index=recorded.index,
        emergency=emergency,
    )
