"""The public keys of one key as files in a folder, one ``NAME-vN.pem`` per version, for devices.

1. A file appears under its name complete or not at all; new ones are there before old ones go.
2. Only files of this naming that hold a public key are replaced or removed.
3. There is always at least one file left: Mender clients that find no key accept unsigned artifacts.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PUBLIC_KEY = b"-----BEGIN PUBLIC KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What the folder holds of the key now, oldest version first, and what was removed from it."""

    files: tuple[Path, ...]
    removed: tuple[Path, ...]


def export_keys(directory: Path, name: str, keys: Mapping[int, bytes]) -> Export:
    """Make the folder hold exactly ``keys`` (version to PEM, at least one) of the key ``name``.

    Raises ``OSError``; a file in the way that holds something else is ``FileExistsError``.
    """
    if not keys:
        raise ValueError("an export without a key would switch verification off")
    directory.mkdir(parents=True, exist_ok=True)
    files = {directory / f"{name}-v{number}.pem": pem for number, pem in sorted(keys.items())}
    for path in files:
        if os.path.lexists(path) and not _holds_public_key(path):
            raise FileExistsError(errno.EEXIST, "holds something else than a public key", str(path))
    for path, pem in files.items():
        _write(path, pem)
    pattern = re.compile(rf"{re.escape(name)}-v[1-9][0-9]*\.pem")
    removed = [
        path
        for path in sorted(directory.iterdir())
        if pattern.fullmatch(path.name) and path not in files and _holds_public_key(path)
    ]
    for path in removed:
        path.unlink(missing_ok=True)
    return Export(files=tuple(files), removed=tuple(removed))


def _holds_public_key(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(PUBLIC_KEY)) == PUBLIC_KEY


def _write(path: Path, pem: bytes) -> None:
    # The verifier leaves dot files in a folder of keys out, so one left by a crash does no harm.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            draft.unlink()
        raise
