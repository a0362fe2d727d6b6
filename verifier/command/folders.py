"""Artifacts in directories: every file below one whose name ends in ``.mender``, in the order of their paths.

Links to directories are not followed. A directory without any artifact, one that cannot be listed, and a name that is
no regular file (opening a pipe would wait for its writer) are reported: none of them passes for "all is well".
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

SUFFIX = ".mender"


def artifacts(directory: str) -> Iterator[tuple[str, OSError | None]]:
    """The paths, each with the reason why it cannot be read, where there is one."""
    unlisted: list[OSError] = []
    found = False
    for folder, folders, names in os.walk(directory, onerror=unlisted.append):
        folders.sort()
        for name in sorted(names):
            if name.endswith(SUFFIX):
                found = True
                path = os.path.join(folder, name)  # noqa: PTH118 - importing pathlib costs start-up time
                yield path, _problem(path)
    for error in unlisted:
        yield os.fspath(error.filename), error
    if not found and not unlisted:
        yield directory, OSError(errno.ENOENT, f"there is no file named *{SUFFIX} in it")


def _problem(path: str) -> OSError | None:
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - likewise
    except OSError as error:
        return error
    return None if stat.S_ISREG(mode) else OSError(errno.EINVAL, "it is not a regular file")
