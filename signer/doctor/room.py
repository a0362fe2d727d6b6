"""Whether whole artifacts can be held while they are checked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.spool import RESERVE_BYTES

MEBIBYTE = 1 << 20


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
    yield judged_room(directory, free, examination.settings.limits.artifact_bytes)


def judged_room(directory: Path, free: int, largest: int) -> Finding:
    """What ``free`` bytes mean where an artifact may have ``largest`` bytes."""
    room = f"the spool directory {directory} has {free // MEBIBYTE} MiB free"
    if free < RESERVE_BYTES:
        return failed(
            f"{room}, {RESERVE_BYTES // MEBIBYTE} MiB are kept in reserve: no artifact fits", _hint(directory)
        )
    if free < largest + RESERVE_BYTES:
        return warning(
            f"{room}, an artifact may have {largest // MEBIBYTE} MiB",
            "make room, move spool.directory to a larger disk, or lower limits.artifact_bytes",
        )
    return ok(f"{room}, enough for the largest artifact")


def free_bytes(directory: Path) -> int:
    """What a user without privileges may still write there, in bytes."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _hint(directory: Path) -> str:
    return f"make {directory} a directory that the user of the service can write, with room on its disk"
