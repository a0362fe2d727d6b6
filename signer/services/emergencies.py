"""Says aloud that something was signed past its approvals, and why: somebody looks at it later."""

from __future__ import annotations

import logging

from signer.domain.access.emergencies import Emergency
from signer.domain.records import Recorded, SignatureEntry

logger = logging.getLogger("artifact-signer.emergency")


def tell_emergency(emergency: Emergency, entry: SignatureEntry, recorded: Recorded) -> None:
    """A line in the service's log, of the highest level there is. What is on record says the same for ever."""
    logger.critical(
        "%s signed in an emergency past its approvals: key %s, version %d, manifest %s, leaf %d",
        emergency.person,
        entry.key,
        entry.version,
        entry.manifest_sha256,
        recorded.index,
        extra={"request_id": entry.request_id, "identity": entry.identity, "reason": emergency.reason},
    )
