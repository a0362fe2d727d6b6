"""A log that goes on from an older copy of itself, because a person said so: the same leaves, another name and key.

1. The first leaf after those of the copy says what happened: ``log-continued``, with the last checkpoint that this
   machine knew, so that everybody can tell which leaves are lost.
2. Nothing that was certified under the old name is ever contradicted under it: the new origin has keys of its own, and
   the old ones sign nothing any more.
3. The copy may know API tokens that were revoked since: all are suspended until a person takes them back.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from signer.bootstrap import build_application, local_parts, utc_now
from signer.config import Settings
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, Key, Purpose, VersionState
from signer.domain.leaves import LeafDraft, LogEvent
from signer.log_creation import (
    ORIGIN_BYTES,
    log_origin,
    opened_with_tokens,
    sign_first,
    told_key_members,
    verified_from_the_start,
    write_verifier_key,
)
from signer.services.lifecycle import LifecycleService
from signer.services.ports import KeyStore
from signer.storage.api_token_store import suspend_all
from signer.storage.ci_session_store import end_all_sessions
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_transaction import logged
from verifier.log import SignedNote
from verifier.log.leaves import LeafValue

ACTOR = "artifact-signer restore"
_RETIRED_FROM = (VersionState.PREVIOUS, VersionState.NEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuedLog:
    """A log under its new name. ``aside``: the checkpoint file of the old one; ``suspended``: API tokens."""

    origin: str
    aside: Path
    suspended: int


def require_tokens(settings: Settings) -> None:
    """Raises a ``hsm.errors.TokenError`` unless every token answers: asked before anything is changed."""
    with opened_with_tokens(settings) as (_, pool):
        for token in settings.tokens:
            pool.require_ready(token.name, timeout=settings.signing.timeout)


def continue_log(settings: Settings, directory: Path, *, old_note: bytes, reason: str) -> ContinuedLog:
    """Let the log in the database go on under a new origin.

    Args:
        directory: where ``log.vkey`` is.
        old_note: the last checkpoint under the old one that this machine knows.
        reason: why, in a person's words; it is in the leaf.
    """
    aside = _put_aside(settings.log.checkpoint_file)
    with opened_with_tokens(settings) as (database, pool):
        store, reader = SqlKeyStore(database=database, clock=utc_now), SqlLogReader(database=database)
        origin = f"artifact-signer/{secrets.token_hex(ORIGIN_BYTES)}"
        with logged(database, utc_now) as log:
            members: dict[str, LeafValue] = {
                "origin": origin,
                "old_origin": str(log_origin(reader)),
                "old_checkpoint": SignedNote.parse(old_note).text,
                "restored_size": log.head.size,
                "reason": reason,
            }
            log.tell_leaf(LeafDraft(type=LogEvent.LOG_CONTINUED, actor=ACTOR, members=members))
            suspended = suspend_all(log.connection, utc_now())
            end_all_sessions(log.connection, utc_now())
        application = build_application(settings, local_parts(settings, database=database, tokens=pool))
        _change_keys(store, application.lifecycle)
        with logged(database, utc_now) as log:
            told = told_key_members(store, origin)
            log.tell_leaf(LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor=ACTOR, members=told))
        sign_first(settings, store, pool, origin, verified_from_the_start(reader))
        write_verifier_key(directory, store, origin)
    return ContinuedLog(origin=origin, aside=aside, suspended=suspended)


def _change_keys(store: KeyStore, lifecycle: LifecycleService) -> None:
    """Every key of the log gets a version that was never one of the old name, and keeps no other."""
    identity = Identity(name=ACTOR, role=Role.ADMINISTRATOR)
    for name in [key.name for key in store.all_keys() if key.purpose is Purpose.LOG and key.active is not None]:
        _retire(store.key(name), lifecycle, identity)
        lifecycle.prepare(identity, name, validity=UNBOUNDED)
        lifecycle.rotate(identity, name)
        _retire(store.key(name), lifecycle, identity)


def _retire(key: Key, lifecycle: LifecycleService, identity: Identity) -> None:
    for version in key.versions:
        if version.state in _RETIRED_FROM:
            lifecycle.retire(identity, key.name, version.number)


def _put_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.rolled-back-{number}")).exists():
        number += 1
    with suppress(FileNotFoundError):
        path.rename(aside)
    return aside
