"""Recalling a release: taking away, so nobody has to approve it; for whoever may manage every key that signed it."""

from __future__ import annotations

from collections.abc import Callable

from signer.domain.access.actions import Action
from signer.domain.identity import Identity
from signer.domain.reasons import checked_reason
from signer.domain.recalls import NewRecall, Recall
from signer.errors import AccessDenied, KeyNotFound, ServiceBusy
from signer.errors.recalls import ManifestNotSigned
from signer.services.access import Access
from signer.services.access_ports import KeysMovedError, RecallStore

# The first time, and again where another key signs it meanwhile.
ROUNDS = 5
NOT_ALL = "it may not manage every key that signed this manifest"


class RecallAdministration:
    """Recalls on this machine itself, where no rule is asked. Safe for threads and for several processes."""

    def __init__(self, *, store: RecallStore) -> None:
        self._store = store

    def recalls(self) -> tuple[Recall, ...]:
        """All of them, oldest first."""
        return self._store.recalls()

    def recall(self, manifest_sha256: str, *, reason: str, actor: str) -> tuple[Recall, bool]:
        """Recall a manifest, durable when the call returns, and whether that changed anything.

        Raises ``ReasonInvalid``, and what ``RecallStore.recall`` raises.
        """
        return self._store.recall(
            NewRecall(manifest_sha256=manifest_sha256, actor=actor, reason=checked_reason(reason))
        )

    def recall_as(
        self, identity: Identity, manifest_sha256: str, *, reason: str, access: Access
    ) -> tuple[Recall, bool]:
        """The same for somebody; raises ``AccessDenied`` unless they may manage all keys that signed it."""
        why = checked_reason(reason)
        for _ in range(ROUNDS):
            signed = self._store.signed(manifest_sha256)
            if not signed.keys:
                raise ManifestNotSigned(manifest_sha256=manifest_sha256)
            _require_all(identity, signed.keys, lambda key: access.require(identity, Action.MANAGE, key))
            new = NewRecall(
                manifest_sha256=manifest_sha256,
                actor=identity.name,
                reason=why,
                person=identity.person,
                keys=frozenset(signed.keys),
            )
            try:
                return self._store.recall(new)
            except KeysMovedError:
                continue
        raise ServiceBusy


def _require_all(identity: Identity, keys: tuple[str, ...], require: Callable[[str], object]) -> None:
    """In words that name no key: there may be some that the identity is not to know of."""
    try:
        for key in keys:
            require(key)
    except (AccessDenied, KeyNotFound):
        raise AccessDenied(identity=identity.name, reason=NOT_ALL) from None
