"""Where a signed artifact is written, and what is in that place now.

1. A symbolic link stays one: what it leads to is replaced. One that leads nowhere is refused.
2. Only a file is replaced: no device, pipe or directory.
3. The artifact itself is replaced only where that was asked for, and no two artifacts have one place.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

STANDARD = Path("-")
WRITABLE = os.W_OK | os.X_OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file that is to be, or to be another.

    Attributes:
        shown: as it was named.
        path: the file itself, behind all links.
        like: the file that is there now; None where there is none.
        mode: permissions that a new one gets, of which the umask leaves what it leaves.
    """

    shown: Path
    path: Path
    like: os.stat_result | None
    mode: int


def in_place(artifact: Path) -> Place:
    """The artifact's own; raises ``OSError``."""
    return _place(artifact, artifact)


def beside(output: Path, artifact: Path) -> Place:
    """Another than the artifact's; raises ``click.UsageError``, or ``OSError`` where nothing can be written there."""
    place = _place(output, artifact)
    if place.like is not None and artifact != STANDARD and os.path.samestat(place.like, artifact.stat()):
        raise click.UsageError(f"{output} is the artifact itself: --in-place replaces it")
    return place


def require_distinct(places: Iterable[Place]) -> None:
    """Raises ``click.UsageError`` where two artifacts would have one place."""
    seen: set[Path] = set()
    for place in places:
        if place.path in seen:
            raise click.UsageError(f"two artifacts would be written to {place.shown}")
        seen.add(place.path)


def _place(output: Path, artifact: Path) -> Place:
    path = _behind_links(output) if output.is_symlink() else _behind_links(output.parent) / output.name
    like = _file(path)
    if not os.access(path.parent, WRITABLE):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path.parent))
    # What few may read of the artifact, few may read of the signed one.
    mode = 0o666 if artifact == STANDARD else stat.S_IMODE(artifact.stat().st_mode) & 0o666
    return Place(shown=output, path=path, like=like, mode=mode)


def _behind_links(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except RuntimeError:
        # What Python before 3.13 makes of a circle.
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def _file(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no file that can be replaced (- is standard output)", str(path))
    return found
