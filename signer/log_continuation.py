"""A log that goes on from an older copy of itself, because a person said so: the same leaves, another name and key.

1. The first leaf after those of the copy says what happened: ``log-continued``, with the last checkpoint that this
   machine knew, so that everybody can tell which leaves are lost.
2. Nothing that was certified under the old name is ever contradicted under it: the new origin has keys of its own, and
   the old ones sign nothing any more.
3. Whatever breaks this off, the same command finishes it: until the checkpoint file is exchanged, which is the last
   step, this machine believes no other log than the old one.
4. The copy may know API tokens that were revoked since: all are suspended until a person takes them back. What people
   approved may have been used up or rejected since: nothing waits, and nothing is approved, any more.
"""

from __future__ import annotations

import secrets
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from hsm.errors import KeyExists
from signer.bootstrap import build_application, local_parts, utc_now
from signer.config import Settings
from signer.domain.identity import Identity, Role
from signer.domain.keys import UNBOUNDED, Key, Purpose, VersionState
from signer.domain.leaves import LeafDraft, LogEvent
from signer.errors import LogMissing
from signer.log_creation import (
    ORIGIN_BYTES,
    first_note,
    log_origin,
    opened_with_tokens,
    told_key_members,
    verified_from_the_start,
    write_verifier_key,
)
from signer.services.lifecycle import LifecycleService
from signer.services.ports import KeyStore
from signer.storage.api_token_store import suspend_all, suspended_tokens
from signer.storage.approval_store import void_all
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.ci_session_store import end_all_sessions
from signer.storage.issued_tokens import end_all_user_tokens
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_transaction import logged
from signer.token import open_tokens
from verifier.errors import LeafMalformed
from verifier.log import SignedNote, parsed_leaf
from verifier.log.leaves import LeafValue

MAX_LOST_VERSIONS = 100
ACTOR = "artifact-signer restore"
_RETIRED_FROM = (VersionState.PREVIOUS, VersionState.NEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuedLog:
    """A log under its new name. ``aside``: the checkpoint file of the old one; ``suspended``: API tokens."""

    origin: str
    aside: Path
    suspended: int


def require_tokens(settings: Settings) -> None:
    """Raises a ``hsm.errors.TokenError`` unless every token answers: asked before anything is changed.

    The database may be lost, or empty.
    """
    with closing(open_tokens(settings)) as pool:
        pool.start()
        for token in settings.tokens:
            pool.require_ready(token.name, timeout=settings.signing.timeout)


def continue_log(settings: Settings, *, old_note: bytes, reason: str) -> None:
    """Let the log in the database, a copy that nobody uses yet, go on under a new origin.

    Args:
        old_note: the last checkpoint under the old one that this machine knows.
        reason: why, in a person's words; it is in the leaf.
    """
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
            suspend_all(log.connection, utc_now())
            end_all_sessions(log.connection, utc_now())
            void_all(log.connection)
            end_all_user_tokens(log.connection, utc_now())
        application = build_application(settings, local_parts(settings, database=database, tokens=pool))
        _change_keys(store, application.lifecycle)
        with logged(database, utc_now) as log:
            told = told_key_members(store, origin)
            log.tell_leaf(LeafDraft(type=LogEvent.LOG_KEY_CHANGED, actor=ACTOR, members=told))


def goes_on(reader: SqlLogReader, *, old_note: bytes, size: int) -> bool:
    """Whether the log goes on from its first ``size`` leaves, after this checkpoint of the old one."""
    if reader.head().size <= size:
        return False
    try:
        leaf = parsed_leaf(reader.leaves(size, size + 1)[0])
    except LeafMalformed:
        return False
    continued = (leaf.get("type"), leaf.get("old_checkpoint"))
    return continued == (LogEvent.LOG_CONTINUED.value, SignedNote.parse(old_note).text)


def certify_continued(settings: Settings, directory: Path) -> ContinuedLog:
    """Have the log that goes on certified, and believed on this machine from then on.

    The checkpoint file is exchanged last: until then this machine refuses the database. ``directory``: where
    ``log.vkey`` is.
    """
    with opened_with_tokens(settings) as (database, pool):
        store, reader = SqlKeyStore(database=database, clock=utc_now), SqlLogReader(database=database)
        origin, log = log_origin(reader), verified_from_the_start(reader)
        if origin is None:
            raise LogMissing
        note = first_note(settings, store, pool, origin, log)
        suspended = suspended_tokens(database)
        write_verifier_key(directory, store, origin)
        aside = CheckpointFile(settings.log.checkpoint_file).succeed(note=note, log=log)
    return ContinuedLog(origin=origin, aside=aside, suspended=suspended)


def _change_keys(store: KeyStore, lifecycle: LifecycleService) -> None:
    """Every key of the log gets a version that was never one of the old name, and keeps no other."""
    identity = Identity(name=ACTOR, role=Role.ADMINISTRATOR)
    for name in [key.name for key in store.all_keys() if key.purpose is Purpose.LOG and key.active is not None]:
        _retire(store.key(name), lifecycle, identity)
        _prepare(name, lifecycle, identity)
        lifecycle.rotate(identity, name)
        _retire(store.key(name), lifecycle, identity)


def _prepare(name: str, lifecycle: LifecycleService, identity: Identity) -> None:
    """A next version. The token may hold a pair under its name, of leaves that are lost: the one after it is taken."""
    for _ in range(MAX_LOST_VERSIONS):
        with suppress(KeyExists):
            lifecycle.prepare(identity, name, validity=UNBOUNDED)
            return
    lifecycle.prepare(identity, name, validity=UNBOUNDED)


def _retire(key: Key, lifecycle: LifecycleService, identity: Identity) -> None:
    for version in key.versions:
        if version.state in _RETIRED_FROM:
            lifecycle.retire(identity, key.name, version.number)
