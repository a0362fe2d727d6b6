"""Reads the files that a key from outside comes in, bounded; what was read of secrets is overwritten afterwards.

Python copies bytes as it likes, and what ``cryptography`` holds is its own: overwriting is what can be done, not proof
that nothing is left. The process that reads keys makes no core dump and ends when it is done.
"""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hsm import KeyMaterial
from signer.domain.private_keys import private_key_in
from signer.domain.public_keys import public_key_in
from signer.errors.key_files import KeyFileReadable, KeyFileRejected

# Much more than an RSA-4096 key in any of its forms.
MAX_FILE_BYTES = 32768
MAX_PASSPHRASE_BYTES = 1024
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_pair(path: Path, passphrase_file: Path | None, *, public_key_file: Path | None = None) -> KeyMaterial:
    """The pair in a private key's file. ``public_key_file``: holds the public key that it has to belong to.

    Raises ``OSError``, ``KeyFileReadable`` and what ``private_key_in`` raises.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    expected = None if public_key_file is None else read_public_key(public_key_file)
    with _secret(path, MAX_FILE_BYTES, private=True) as content:
        if passphrase_file is None:
            pair = private_key_in(bytes(content), None)
        else:
            with _secret(passphrase_file, MAX_PASSPHRASE_BYTES) as passphrase:
                pair = private_key_in(bytes(content), bytes(passphrase).removesuffix(b"\n").removesuffix(b"\r"))
    if expected not in (None, pair.spki):
        raise KeyFileRejected(reason="its public key is another one than the given one")
    return pair


def read_public_key(path: Path) -> bytes:
    """The DER SubjectPublicKeyInfo of a file with a public key or a certificate in PEM; raises ``OSError`` or
    ``KeyFileRejected``.
    """
    with _secret(path, MAX_FILE_BYTES) as content:
        try:
            return public_key_in(bytes(content))
        except ValueError as error:
            raise KeyFileRejected(reason="it is no public key or certificate in PEM") from error


def others_may_read(path: Path) -> bool:
    """Whether the permissions give anybody but the owner anything."""
    return bool(path.stat().st_mode & OTHERS)


@contextmanager
def _secret(path: Path, most: int, *, private: bool = False) -> Iterator[bytearray]:
    """What a file holds, until the block ends. ``private``: only where nobody but its owner may read it."""
    # A pipe that nobody writes to would be waited for without end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    content = bytearray(most + 1)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise KeyFileRejected(reason="it is no regular file")
        if private and mode & OTHERS:
            raise KeyFileReadable(path=str(path), mode=f"{stat.S_IMODE(mode):04o}")
        size = os.readv(descriptor, [content])
        if size > most:
            raise KeyFileRejected(reason=f"it has more than {most} bytes")
        del content[size:]
        yield content
    finally:
        content[:] = bytes(len(content))
        os.close(descriptor)
