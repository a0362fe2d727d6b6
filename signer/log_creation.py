"""Makes what a log needs before anything can be recorded: its keys, its first leaf, and the file of its checkpoint.

1. Whatever is there already stays: a creation that was interrupted is finished by the next one.
2. The checkpoint file is there before the first leaf, over no leaves at all. So a log that has leaves and no file has
   lost it, and only ``log resume`` makes another: whoever puts an older database back would like it to be gone.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hsm import TokenPool
from hsm.algorithms import Algorithm
from hsm.errors import TokenError
from hsm.mechanisms import can_generate, can_sign
from signer.bootstrap import build_application, local_parts, utc_now
from signer.config import Settings
from signer.domain.identity import Identity, Role
from signer.domain.keys import Key, Purpose
from signer.domain.leaves import LogEvent
from signer.domain.log_keys import ALGORITHMS, checkpoint_keys, log_key_name, log_verifier_keys
from signer.domain.verified_log import VerifiedLog
from signer.errors import (
    CheckpointFileInUse,
    LogDamaged,
    LogMissing,
    LogOriginFixed,
    TokenNotConfigured,
)
from signer.new_file import NewFile
from signer.services.checkpoints import CheckpointSigner
from signer.services.lifecycle import NewKeyRequest
from signer.services.ports import KeyStore, LeafQuery
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.failover import forget_machine
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_keys_told import tell_log_keys, told_keys
from signer.storage.log_reader import SqlLogReader
from signer.storage.log_start import start_log
from signer.token import open_tokens
from verifier.errors import LeafMalformed, VerifierKeyInvalid
from verifier.log import Checkpoint, SignedNote, parsed_leaf
from verifier.log.hashing import EMPTY_ROOT
from verifier.log.leaves import LeafValue
from verifier.log.notes import checked_name

ACTOR = "artifact-signer log create"
VERIFIER_KEY_FILE = "log.vkey"
ORIGIN_BYTES = 8
LEAVES_AT_ONCE = 4096
MAX_CONTINUATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedLog:
    """A log that can be recorded in. ``begun``: it was not there before."""

    origin: str
    size: int
    begun: bool
    new_keys: tuple[str, ...]
    warnings: tuple[str, ...]
    verifier_key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumedLog:
    """A log that was verified from its first leaf. ``root``: base64, as checkpoints have it."""

    origin: str
    size: int
    root: str


def create_log(
    settings: Settings,
    *,
    origin: str | None,
    token: str | None,
    directory: Path,
    also: Sequence[NewKeyRequest] = (),
) -> CreatedLog:
    """Make all that is missing. ``directory``: where ``log.vkey`` goes; ``also``: other keys to be made with the log's.

    Raises ``LogOriginFixed`` for another origin than that of the log there is, ``VerifierKeyInvalid`` for one that no
    log can have, ``TokenNotConfigured``, what ``_named_already`` raises, and what tokens and databases raise.
    """
    wanted = None if origin is None else checked_name(origin)
    names = _wanted_tokens(settings, token)
    with opened_with_tokens(settings) as (database, pool):
        store = SqlKeyStore(database=database, clock=utc_now)
        reader = SqlLogReader(database=database)
        known = _named_already(reader, settings.log.checkpoint_file)
        if known is not None and wanted not in (None, known):
            raise LogOriginFixed(origin=known, wanted=str(wanted))
        new_keys, warnings = _make_keys(settings, database, pool, names, also)
        name = known or wanted or f"artifact-signer/{secrets.token_hex(ORIGIN_BYTES)}"
        keys = [str(key) for key in log_verifier_keys(store.all_keys(), name)]
        if known is None:
            sign_first(settings, store, pool, name, VerifiedLog())
        begun = start_log(database, clock=utc_now, actor=ACTOR, members=told_keys(name, keys)).begun
        tell_log_keys(database, clock=utc_now, actor=ACTOR, origin=name, keys=keys)
        _cover_beginning(settings, reader, store, pool, name)
        path = write_verifier_key(directory, store, name)
        return CreatedLog(
            origin=name,
            size=reader.head().size,
            begun=begun,
            new_keys=new_keys,
            warnings=warnings,
            verifier_key_file=path,
        )


def resume_without_file(settings: Settings) -> ResumedLog:
    """Verify the log from its first leaf, and make the file that is missing.

    Raises ``FileExistsError`` where it is not, ``LogMissing``, ``LogDamaged`` or ``LogForked``.
    """
    path = settings.log.checkpoint_file
    if path.exists():
        raise FileExistsError(17, "exists already: nothing is lost", str(path))
    with opened_with_tokens(settings) as (database, pool):
        reader = SqlLogReader(database=database)
        origin = log_origin(reader)
        if origin is None:
            raise LogMissing
        log = verified_from_the_start(reader)
        store = SqlKeyStore(database=database, clock=utc_now)
        sign_first(settings, store, pool, origin, log)
    return ResumedLog(origin=origin, size=log.size, root=base64.b64encode(log.frontier.root).decode("ascii"))


def resume_without_machine(settings: Settings, machine: str) -> None:
    """Wait for this machine no more; raises ``MachineNotFound``."""
    with closing(Database(settings.database)) as database:
        database.check_revision()
        forget_machine(database, machine)


def log_origin(reader: SqlLogReader) -> str | None:
    """What the first leaf, or the newest that let it go on, says that the log is named; None where there is no log."""
    if reader.head().size == 0:
        return None
    continued = reader.find(LeafQuery(first=0, limit=MAX_CONTINUATIONS, types=(LogEvent.LOG_CONTINUED,)))
    index, leaf = (continued[-1].index, continued[-1].leaf) if continued else (0, reader.leaves(0, 1)[0])
    try:
        return checked_name(str(parsed_leaf(leaf).get("origin")))
    except (LeafMalformed, VerifierKeyInvalid) as error:
        raise LogDamaged(index=index, problem="it does not say how the log is named") from error


def verified_from_the_start(reader: SqlLogReader) -> VerifiedLog:
    """The log as its leaves have it; raises ``LogDamaged`` or ``LogForked`` where the head says something else."""
    head, log = reader.head(), VerifiedLog()
    for first in range(0, head.size, LEAVES_AT_ONCE):
        log = log.extended(reader.leaves(first, min(first + LEAVES_AT_ONCE, head.size)))
    log.require(head.root)
    return log


@contextmanager
def opened_with_tokens(settings: Settings) -> Iterator[tuple[Database, TokenPool]]:
    """The database of an installation, and its tokens."""
    with closing(Database(settings.database)) as database, closing(open_tokens(settings)) as pool:
        database.check_revision()
        settings.spool.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pool.start()
        yield database, pool


def _wanted_tokens(settings: Settings, token: str | None) -> tuple[str, ...]:
    configured = tuple(each.name for each in settings.tokens)
    if token is not None and token not in configured:
        raise TokenNotConfigured(token=token, configured=configured)
    return configured if token is None else (token,)


def _make_keys(
    settings: Settings,
    database: Database,
    pool: TokenPool,
    names: Sequence[str],
    also: Sequence[NewKeyRequest] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A key of the log for each token that has none; the names of the new ones, and which tokens did not answer.

    ``also``: made where there is no key of their name yet.
    """
    made: list[str] = []
    warnings: list[str] = []
    failure: TokenError | None = None
    application = build_application(settings, local_parts(settings, database=database, tokens=pool))
    store = SqlKeyStore(database=database, clock=utc_now)
    identity = Identity(name=ACTOR, role=Role.ADMINISTRATOR)
    for token in names:
        mine = _log_keys(store)
        if any(token in key.tokens for key in mine):
            continue
        try:
            pool.require_ready(token, timeout=settings.signing.timeout)
            request = NewKeyRequest(
                unverified_name=log_key_name(token, first=not mine),
                unverified_algorithm=_best(pool.describe(token).mechanisms).value,
                purpose=Purpose.LOG,
                tokens=(token,),
            )
            made.append(application.lifecycle.create(identity, request).key.name)
        except TokenError as error:
            failure = error
            warnings.append(f"token {token} has no key for the log: {error.code}")
    if failure is not None and not _log_keys(store):
        raise failure
    there = {key.name for key in store.all_keys()}
    for request in also:
        if request.unverified_name not in there:
            application.lifecycle.create(identity, request)
    return tuple(made), tuple(warnings)


def _best(mechanisms: Sequence[str]) -> Algorithm:
    offered = (each for each in ALGORITHMS if can_generate(each, mechanisms) and can_sign(each, mechanisms))
    return next(offered, ALGORITHMS[-1])


def _log_keys(store: KeyStore) -> list[Key]:
    return [key for key in store.all_keys() if key.purpose is Purpose.LOG and key.active is not None]


def told_key_members(store: KeyStore, origin: str) -> dict[str, LeafValue]:
    """What leaves about the keys of the log say."""
    return told_keys(origin, [str(key) for key in log_verifier_keys(store.all_keys(), origin)])


def _named_already(reader: SqlLogReader, path: Path) -> str | None:
    """The name that the log has for life: of its leaves, or of a file that was made before the first one.

    Raises ``CheckpointFileMissing`` for a log of leaves without a file, ``LogRolledBack`` for the reverse.
    """
    known = log_origin(reader)
    if known is None and not path.exists():
        return None
    saved = CheckpointFile(path).read()
    if known is None:
        saved.log.beyond(size=0, root=EMPTY_ROOT)
        return Checkpoint.parse(SignedNote.parse(saved.note).text).origin
    return known


def _cover_beginning(settings: Settings, reader: SqlLogReader, store: KeyStore, pool: TokenPool, origin: str) -> None:
    """A checkpoint over the first leaves, where the file covers none; where a service holds it, that one does it."""
    with suppress(CheckpointFileInUse), closing(CheckpointFile(settings.log.checkpoint_file).hold()) as held:
        if held.saved.log.size == 0:
            log = verified_from_the_start(reader)
            held.write(note=_signer(settings, store, pool, origin).sign(log), log=log)


def sign_first(settings: Settings, store: KeyStore, pool: TokenPool, origin: str, log: VerifiedLog) -> None:
    """Make the file of the newest checkpoint; raises ``FileExistsError`` where there is one."""
    note = first_note(settings, store, pool, origin, log)
    CheckpointFile(settings.log.checkpoint_file).create(note=note, log=log)


def first_note(settings: Settings, store: KeyStore, pool: TokenPool, origin: str, log: VerifiedLog) -> bytes:
    """A checkpoint over all of it, signed by a token that has only just been opened."""
    return _signer(settings, store, pool, origin).sign(log)


def _signer(settings: Settings, store: KeyStore, pool: TokenPool, origin: str) -> CheckpointSigner:
    for token in settings.tokens:
        pool.require_ready(token.name, timeout=settings.signing.timeout)
        break
    return CheckpointSigner(origin=origin, keys=store.all_keys, tokens=pool, timeout=settings.signing.timeout)


def write_verifier_key(directory: Path, store: KeyStore, origin: str) -> Path:
    """Write ``log.vkey``: the key that checkpoints are signed with now; gives its path."""
    path = directory / VERIFIER_KEY_FILE
    first = checkpoint_keys(store.all_keys(), origin)[0][0]
    with NewFile(path) as file:
        file.write(f"{first.verifier}\n".encode())
    return path
