"""Private halves of servers' certificates, as files of one machine.

1. A file has mode 0600 in a directory of mode 0700, from its first byte on, and is never written over.
2. It is on the disk, and its name too, before its certificate is on record: what devices are told to trust, can be
   shown.
3. It is found by the public half, whatever the certificate is; what is in it never leaves this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from signer.domain.published_keys import spki_digest
from signer.errors.server_certificates import ServerPrivateKeyUnwritable

NAME_DIGITS = 16
MAX_PEM_BYTES = 1 << 20


class ServerKeyFiles:
    """``services.server_certificate_ports.ServerKeys`` in a directory. ``further``: a file that is looked at too."""

    def __init__(self, *, directory: Path, further: Path | None = None) -> None:
        self._directory = directory
        self._further = further

    def make(self, name: str) -> ec.EllipticCurvePrivateKey:
        """A new pair (P-256, which every client takes), on the disk; raises ``ServerPrivateKeyUnwritable``."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            self._write(self._path(name, spki_digest(key.public_key())), pem)
        except OSError as error:
            raise ServerPrivateKeyUnwritable(reason=f"{self._directory}: {error.strerror or 'it fails'}") from error
        return key

    def find(self, name: str, spki_sha256: str) -> Path | None:
        """The file with the private half of this public key; None where this machine has none."""
        for path in self._candidates(name, spki_sha256):
            if _digest_in(path) == spki_sha256:
                return path
        return None

    def forget(self, name: str, spki_sha256: str) -> None:
        """Remove what was made just now and is wanted no more."""
        with suppress(OSError):
            self._path(name, spki_sha256).unlink()

    def _candidates(self, name: str, spki_sha256: str) -> Iterator[Path]:
        yield self._path(name, spki_sha256)
        if self._further is not None:
            yield self._further

    def _path(self, name: str, spki_sha256: str) -> Path:
        return self._directory / f"{name}-{spki_sha256[:NAME_DIGITS]}.key"

    def _write(self, path: Path, content: bytes) -> None:
        with suppress(FileExistsError):
            self._directory.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        for directory in (self._directory, self._directory.parent):
            _sync(directory)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest_in(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(MAX_PEM_BYTES), password=None)
        return spki_digest(key.public_key())  # type: ignore[arg-type]  # what has no certificate has no digest either
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, AttributeError):
        return None
