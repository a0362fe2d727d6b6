"""Stops a version in whose place the token holds another key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hsm.errors import KeyMismatch, SignatureMismatch
from signer.domain.events import Event, EventType
from signer.domain.keys import Key, KeyVersion
from signer.domain.lifecycle import Step, follow
from signer.errors import SignerError, StateChanged, VersionQuarantined
from signer.services.ports import KeyStore, VersionChange

SERVICE_ACTOR = "artifact-signer"

logger = logging.getLogger(__name__)


async def after_failure(
    quarantine: Callable[[Key, KeyVersion], None], key: Key, version: KeyVersion, error: Exception
) -> Exception:
    """What is told where a signature failed with ``error``; a key that is not the pinned one stops the version."""
    if not isinstance(error, KeyMismatch | SignatureMismatch):
        return error
    try:
        await asyncio.to_thread(quarantine, key, version)
    except SignerError as refusal:
        return refusal
    stopped = VersionQuarantined(key=key.name, version=version.number)
    stopped.__cause__ = error
    return stopped


class Quarantine:
    """Called with the key and the version that is not to be trusted any more."""

    def __init__(self, *, store: KeyStore) -> None:
        self._store = store

    def __call__(self, key: Key, version: KeyVersion) -> None:
        """Stop the version; raises ``StepNotAllowed`` where its state knows no quarantine."""
        state = follow(version.state, Step.QUARANTINE, key=key.name, version=version.number)
        fields = {"disabled_from": version.state.value}
        change = VersionChange(version_id=version.id, expected=version.state, state=state, fields=fields)
        event = Event(
            type=EventType.VERSION_QUARANTINED,
            actor=SERVICE_ACTOR,
            key=key.name,
            version=version.number,
            before={"state": version.state.value},
            after={"state": state.value},
        )
        # Expects the state in which the version was asked to sign: a person who disabled it meanwhile is not overruled.
        try:
            self._store.change(key, [change], [event])
        except StateChanged:
            return  # another worker saw the same
        logger.error("key %s version %d is quarantined: the token holds another key", key.name, version.number)
