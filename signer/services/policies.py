"""The policy in force, as rules: read where it is kept, and parsed once for each text."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from typing import Protocol

from signer.domain.access.policy import Policy
from signer.domain.access.presets import ROLES_TEXT
from signer.domain.access.reading import parse_policy
from signer.services.access_ports import StoredPolicy


class PolicySource(Protocol):
    """Where the policy in force is kept."""

    def current(self) -> StoredPolicy:
        """It, as it was applied."""


class RolesAlone:
    """The roles as rules, whatever policy is in force: for what a command does on the machine itself."""

    def current(self) -> StoredPolicy:
        """As if it had been applied first."""
        return StoredPolicy(
            revision=0,
            text=ROLES_TEXT,
            sha256=hashlib.sha256(ROLES_TEXT.encode()).hexdigest(),
            applied_at=datetime.fromtimestamp(0, UTC),
            actor="",
            reason="",
            break_glass=False,
        )


class Policies:
    """Reads policies. Safe for threads."""

    def __init__(self, *, store: PolicySource) -> None:
        self._store = store
        # Guards the pair; what is read without it is replaced as a whole.
        self._lock = threading.Lock()
        self._parsed: tuple[tuple[int, str], Policy] | None = None

    def present(self) -> Policy:
        """The policy that is in force now.

        Raises ``PolicyInvalid`` where its text says nothing to this program: then nothing is allowed.
        """
        stored = self._store.current()
        place = stored.revision, stored.sha256
        parsed = self._parsed
        if parsed is not None and parsed[0] == place:
            return parsed[1]
        with self._lock:
            self._parsed = place, _parsed(stored)
            return self._parsed[1]


def _parsed(stored: StoredPolicy) -> Policy:
    return parse_policy(stored.text, revision=stored.revision)
