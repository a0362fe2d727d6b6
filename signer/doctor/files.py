"""The files of an installation: who can read its secrets or replace them, and the disk space that artifacts need."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from signer.config import Settings
from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, or_ok, warning
from signer.server_settings import Tls
from signer.spool import RESERVE_BYTES

# Files that `init` puts beside the configuration and that no setting names.
COMPANIONS = ("admin.token", "token-officer.pin")
OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
SOFTHSM_CONFIGURATION = "SOFTHSM2_CONF"
SOFTHSM_DIRECTORY = "directories.tokendir"
MEBIBYTE = 1 << 20
# A transaction, or a key pair in SoftHSM's form, takes a few KiB.
LEAST_BYTES = MEBIBYTE
SPACE = "make disk space; SoftHSM writes a token anew at each login, and one that is cut off there is lost"
MAX_CONFIGURATION_BYTES = 1 << 16


def secret_files(examination: Examination) -> Iterator[Finding]:
    """The mode and owner of each secret, and of the directory that holds it.

    A secret that others can read is no secret; a directory that others can write lets them replace it.
    """
    paths = tuple(dict.fromkeys(_secrets(examination)))
    for path in paths:
        yield from _file(path, examination.surroundings.user_id)
    directories = dict.fromkeys([*(path.parent for path in paths), *_token_directories(examination.settings)])
    for directory in directories:
        yield from _directory(directory)


def _secrets(examination: Examination) -> Iterator[Path]:
    settings = examination.settings
    for token in settings.tokens:
        if token.pin.file is not None:
            yield token.pin.file
    if settings.server.tls is Tls.ON:
        yield settings.server.private_key
    if settings.database.password_file is not None:
        yield settings.database.password_file
    if settings.users.seal_key_file is not None:
        yield settings.users.seal_key_file
    database = examination.sqlite_file
    if database is not None:
        yield from (path for path in (database, *_beside(database)) if path.exists())
    yield from (path for name in COMPANIONS if (path := examination.config.parent / name).exists())


def _beside(database: Path) -> tuple[Path, ...]:
    return tuple(database.with_name(database.name + suffix) for suffix in ("-wal", "-shm"))


def _file(path: Path, user_id: int) -> Iterator[Finding]:
    try:
        status = path.stat()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        yield failed(f"{path} cannot be looked at: {reason}", "restore the file or correct the setting that names it")
        return
    findings = []
    mode = stat.S_IMODE(status.st_mode)
    if mode & (OTHERS_READ | OTHERS_WRITE):
        findings.append(
            failed(
                f"{path} has mode {mode:04o}, others than its owner can read or change it",
                f"chmod 600 {path}, and replace the secret if others may have read it",
            )
        )
    if status.st_uid != user_id:
        findings.append(
            warning(
                f"{path} belongs to user {status.st_uid}, this runs as user {user_id}",
                "run doctor as the user of the service, or give the file to that user with chown",
            )
        )
    yield from or_ok(findings, f"{path} can be read by its owner only")


def _directory(directory: Path) -> Iterator[Finding]:
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError:
        return  # told with the file, or with the token that is in it
    if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:
        yield failed(
            f"the directory {directory} has mode {mode:04o}, others can replace the secrets in it",
            f"chmod 700 {directory}",
        )
    else:
        yield ok(f"the directory {directory} can be changed by its owner only")


def _token_directories(settings: Settings) -> Iterator[Path]:
    """Where SoftHSM keeps its tokens: whoever can write there can take the keys away."""
    for token in settings.tokens:
        configuration = token.environment.get(SOFTHSM_CONFIGURATION)
        if configuration is None:
            continue
        try:
            with Path(configuration).open(encoding="utf-8", errors="replace") as file:
                text = file.read(MAX_CONFIGURATION_BYTES)
        except OSError:
            continue  # the token's own check tells
        for line in text.splitlines():
            name, _, value = line.partition("=")
            if name.strip() == SOFTHSM_DIRECTORY and value.strip():
                yield Path(value.strip())


def spool(examination: Examination) -> Iterator[Finding]:
    """The spool directory can be written and has room for the largest artifact that the limits let in."""
    directory = examination.settings.spool.directory
    # The service makes the directory at its start, so one that is missing is looked for one level up.
    place = directory if directory.exists() else directory.parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
        free = examination.surroundings.free_bytes(place)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        yield failed(f"the spool directory {directory} cannot be written: {reason}", _hint(directory))
        return
    yield judged_space(directory, free, examination.settings.limits.artifact_bytes)


def judged_space(directory: Path, free: int, largest: int) -> Finding:
    """What ``free`` bytes mean where an artifact may have ``largest`` bytes."""
    space = f"the spool directory {directory} has {free // MEBIBYTE} MiB free"
    if free < RESERVE_BYTES:
        return failed(
            f"{space}, {RESERVE_BYTES // MEBIBYTE} MiB are kept in reserve: no artifact fits", _hint(directory)
        )
    if free < largest + RESERVE_BYTES:
        return warning(
            f"{space}, an artifact may have {largest // MEBIBYTE} MiB",
            "make disk space, move spool.directory to a larger disk, or lower limits.artifact_bytes",
        )
    return ok(f"{space}, enough for the largest artifact")


def disks(examination: Examination) -> Iterator[Finding]:
    """The disks that the database and SoftHSM's tokens are written to have space left."""
    places = dict.fromkeys(_token_directories(examination.settings), "SoftHSM's tokens in")
    if examination.sqlite_file is not None:
        places[examination.sqlite_file.parent] = "the database in"
    for directory, what in places.items():
        try:
            read_only = bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
            free = examination.surroundings.free_bytes(directory)
        except OSError:
            continue  # told with the database, or with the token that is in it
        yield judged_disk(what, directory, free, read_only=read_only)
    if not places:
        yield ok("neither a database nor a token is kept in files here")


def judged_disk(what: str, directory: Path, free: int, *, read_only: bool) -> Finding:
    """What ``free`` bytes mean for files that are written with each signature, or with each login."""
    if read_only:
        return failed(f"the disk of {what} {directory} is mounted read-only", "mount it so that it can be written")
    if free < LEAST_BYTES:
        return failed(f"the disk of {what} {directory} is full: nothing is signed, or no key can be made", SPACE)
    if free < RESERVE_BYTES:
        return warning(f"the disk of {what} {directory} has {free // MEBIBYTE} MiB left", SPACE)
    return ok(f"the disk of {what} {directory} has {free // MEBIBYTE} MiB left")


def free_bytes(directory: Path) -> int:
    """What a user without privileges may still write there, in bytes."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _hint(directory: Path) -> str:
    return f"make {directory} a directory that the user of the service can write, with space on its disk"
