"""What is asked on the event loop before a byte of a body is read: whether the rules let the caller do this at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from signer.domain.access.actions import Action
from signer.domain.access.decisions import Allow
from signer.domain.identity import Identity
from signer.errors import AccessDenied
from signer.services.access import Extent, require
from signer.services.known_records import KnownRecords


class Admission:
    """For one event loop."""

    def __init__(self, *, records: KnownRecords, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._clock = clock

    async def require(self, identity: Identity, action: Action, key: str | None, extent: Extent) -> Allow:
        """The rules as they are now allow it; raises ``AccessDenied``, ``KeyNotFound``, or what the database raises."""
        known = await self._records.present_policy()
        return require(known.policy, identity, action, key, at=self._clock(), extent=extent)

    async def admits(self, identity: Identity, action: Action, extent: Extent) -> bool:
        """Whether they do."""
        try:
            await self.require(identity, action, None, extent)
        except AccessDenied:
            return False
        return True
