"""A file that appears under its name only when it is complete, and on the disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

# What the umask leaves of this is the mode of the file.
MODE = 0o666


class NewFile:
    """To be written inside a ``with``; where that ends by an exception, nothing is left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        self._draft = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self._size = 0

    @property
    def facts(self) -> dict[str, object]:
        """What was written, and where: ``output``, ``size`` in bytes, ``sha256`` in hex."""
        return {"output": str(self._path), "size": self._size, "sha256": self._digest.hexdigest()}

    def __enter__(self) -> NewFile:
        return self

    def write(self, chunk: bytes) -> None:
        """Append."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self._size += len(chunk)

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        try:
            if kind is None:
                self._keep()
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def _keep(self) -> None:
        umask = os.umask(0)
        os.umask(umask)
        self._draft.chmod(MODE & ~umask)
        # The content first, then the name, then the directory that holds the name: whatever the machine does in
        # between, what has the name is whole.
        self._file.flush()
        os.fsync(self._file.fileno())
        self._draft.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
