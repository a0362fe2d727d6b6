"""``artifact-signer backup`` and ``restore``: the database with all that is needed to believe it, and no secret.

1. A backup holds a copy of the database, the newest checkpoint before it, the log's verifier keys and the
   configuration. It never holds a PIN, a token's store, a private key or the text of an API token.
2. The checkpoint is read first, the rows after it: it is over what the copy holds. The copy is verified as it lies on
   the disk, and what names the files is written last: a folder without that is no backup.
3. The checkpoint file outside the database is neither kept nor written: it is what tells an older database.
4. Nothing is put back that this machine has seen more of, unless a person says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signer import __version__
from signer.bootstrap import utc_now
from signer.config import Settings
from signer.domain.timestamps import rfc3339
from signer.errors import BackupUnusable, FolderTaken, InstallationInUse
from signer.log.check import CheckPlan, Verdict
from signer.log.database_check import check_database
from signer.log.known_keys import told_keys
from signer.log.progress import replace_file
from signer.recorder.addresses import socket_path
from signer.recorder.supervision import LOCK
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.copying import database_file, write_copy
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from signer.storage.log_audit import SqlLogAudit
from signer.storage.log_reader import SqlLogReader

FORM = 1
INDEX, DATABASE, CHECKPOINT, KEYS, CONFIGURATION = (
    "backup.json", "database.sqlite", "checkpoint", "log.vkey", "artifact-signer.toml",
)  # fmt: skip
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was made, or that is to be put back. ``size``: leaves of its log."""

    folder: Path
    origin: str
    size: int
    signatures: int


def make_backup(settings: Settings, config: Path, folder: Path) -> Backup:
    """Make a backup in a folder that is empty, or not there, while the service runs.

    Raises ``FolderTaken``, ``BackupUnusable`` where the copy does not hold, ``CheckpointFileMissing``,
    ``CheckpointFileDamaged``, ``OSError``, and what databases raise.
    """
    _take(folder)
    note = CheckpointFile(settings.log.checkpoint_file).read().note
    with closing(Database(settings.database)) as database:
        database.check_revision()
        write_copy(database, folder / DATABASE, timeout=settings.database.timeout)
        _, revision = database.revisions()
    keys = _keys_of(folder / DATABASE, settings)
    for name, content in ((CHECKPOINT, note), (KEYS, keys), (CONFIGURATION, config.read_bytes())):
        replace_file(folder / name, content)
    verdict = verified_copy(folder / DATABASE, note, settings)
    assert verdict.checkpoint is not None  # noqa: S101  (a log without one has a fault)
    files = {name: _digest(folder / name) for name in (DATABASE, CHECKPOINT, KEYS, CONFIGURATION)}
    index = {
        "form": FORM,
        "release": __version__,
        "revision": revision,
        "made_at": rfc3339(utc_now()),
        "origin": verdict.checkpoint.origin,
        "size": verdict.size,
        "files": files,
    }
    replace_file(folder / INDEX, json.dumps(index, indent=2).encode())
    return _backup(folder, verdict)


def read_backup(folder: Path, scratch: Path, settings: Settings) -> Backup:
    """Look at a backup; its database is copied to ``scratch``, brought to this release and verified there.

    Raises ``BackupUnusable``, ``OSError``, and what databases raise.
    """
    index = _index(folder)
    for name in (DATABASE, CHECKPOINT, KEYS):
        if index["files"].get(name) != _digest(folder / name):
            raise BackupUnusable(path=str(folder / name), problem="it is not the file that was written")
    scratch.unlink(missing_ok=True)
    os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE))
    shutil.copyfile(folder / DATABASE, scratch)
    with closing(database_file(scratch, timeout=settings.database.timeout)) as database:
        database.upgrade(then=first_policy(utc_now))
    return _backup(folder, verified_copy(scratch, (folder / CHECKPOINT).read_bytes(), settings))


def verified_copy(path: Path, note: bytes, settings: Settings) -> Verdict:
    """The log of a copy, all of it checked; raises ``BackupUnusable`` where it does not hold."""
    with closing(database_file(path, timeout=settings.database.timeout)) as database:
        told = told_keys(SqlLogReader(database=database))
        every = tuple(key for keys in told for key in keys)
        if not every:
            raise BackupUnusable(path=str(path), problem="no leaf of its log tells a key of the log")
        # The checkpoint may be older than the last change of keys.
        present = tuple(key for key in every if key.name == every[-1].name)
        plan = CheckPlan(keys=present)
        verdict = check_database(SqlLogAudit(database=database), note, plan, former_keys=every)
    if verdict.fault is not None:
        raise BackupUnusable(path=str(path), problem=verdict.fault.sentence)
    return verdict


@contextmanager
def stopped(settings: Settings) -> Iterator[None]:
    """Keeps a service from starting meanwhile; raises ``InstallationInUse`` where one runs."""
    folder = socket_path(settings.spool.directory).parent
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InstallationInUse(lock=str(folder / LOCK)) from None
    finally:
        os.close(descriptor)


def also_to_keep(settings: Settings) -> tuple[str, ...]:
    """What a backup does not hold, and who restores one needs, a sentence each."""
    secrets = [f"{token.name}: the token's store, and apart from it its PIN" for token in settings.tokens]
    password = [] if settings.database.password_file is None else [f"{settings.database.password_file}"]
    seal = [] if settings.users.seal_key_file is None else [f"{settings.users.seal_key_file}"]
    return (*secrets, f"{settings.server.private_key} and {settings.server.certificate}", *password, *seal)


def _take(folder: Path) -> None:
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FolderTaken(path=str(folder))
    folder.chmod(_FOLDER_MODE)


def _keys_of(path: Path, settings: Settings) -> bytes:
    with closing(database_file(path, timeout=settings.database.timeout)) as database:
        told = told_keys(SqlLogReader(database=database))
    return "".join(f"{key}\n" for key in (told[-1] if told else ())).encode()


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        if index["form"] != FORM or not isinstance(index["files"], dict):
            raise BackupUnusable(path=str(path), problem="it is of another release")
    except FileNotFoundError:
        raise BackupUnusable(path=str(path), problem="it is not there: the backup broke off") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BackupUnusable(path=str(path), problem="it cannot be read") from None
    return dict(index)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        raise BackupUnusable(path=str(path), problem="it is not there") from None
    return digest.hexdigest()


def _backup(folder: Path, verdict: Verdict) -> Backup:
    assert verdict.checkpoint is not None  # noqa: S101  (a log without one has a fault)
    return Backup(folder=folder, origin=verdict.checkpoint.origin, size=verdict.size, signatures=verdict.signatures)
