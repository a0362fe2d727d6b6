"""The certificates that a device believes servers by: a file that may change, and may be cut in half when it does.

1. A bundle is whole or refused: each block is complete, is a certificate, and nothing else stands between marks.
2. What was good last is kept on the device and stays in force until another good one is there, also over a restart.
3. The file is looked at before each connection and read where it has changed: nobody restarts anything.

What is cut exactly between two certificates cannot be told from a shorter bundle: put the file in its place by a
rename.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from device.errors import BundleRefused
from device.store import MOST_BYTES, Store

KEPT = "server-certificates.pem"
MOST_CERTIFICATES = 100
_BEGIN, _END, _MARK = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----"

Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Certificates in DER, each once, in the order of the file; at least one."""

    certificates: tuple[bytes, ...]

    @classmethod
    def of_pem(cls, unverified: bytes) -> Bundle:
        """Certificates in PEM, with anything but marks between them; raises ``BundleRefused``."""
        if len(unverified) > MOST_BYTES:
            raise BundleRefused(problem="too large")
        try:
            found = tuple(dict.fromkeys(_blocks(unverified.decode("utf-8"))))
        except UnicodeDecodeError:
            raise BundleRefused(problem="not a text") from None
        if not found:
            raise BundleRefused(problem="no certificate in it")
        if len(found) > MOST_CERTIFICATES:
            raise BundleRefused(problem=f"more than {MOST_CERTIFICATES} certificates")
        return cls(certificates=found)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each certificate, hexadecimal."""
        return tuple(hashlib.sha256(each).hexdigest() for each in self.certificates)


def _blocks(text: str) -> Iterator[bytes]:
    """Each certificate in DER. Linear in the text."""
    lines: list[str] | None = None
    for line in text.splitlines():
        bare = line.strip()
        if bare == _BEGIN and lines is None:
            lines = []
        elif bare == _END and lines is not None:
            yield _certificate("".join(lines))
            lines = None
        elif bare.startswith(_MARK):
            raise BundleRefused(problem="a mark that begins or ends no certificate")
        elif lines is not None:
            lines.append(bare)
    if lines is not None:
        raise BundleRefused(problem="it ends inside of a certificate")


def _certificate(text: str) -> bytes:
    try:
        der = binascii.a2b_base64(text, strict_mode=True)
        read = x509.load_der_x509_certificate(der)
        # Parts that are read late.
        read.public_key()
        _ = (read.not_valid_after_utc, read.extensions)
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise BundleRefused(problem="a block that is no certificate") from None
    return der


class TrustedServers:
    """What is believed now. ``lock``: alone with the store, for as long as what is kept changes. Safe for threads."""

    def __init__(self, *, file: Path, store: Store, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self._file = file
        self._store = store
        self._lock = lock
        self._alone = threading.Lock()
        self._bundle: Bundle | None = None
        self._stamp: Stamp | None = None
        self._refused: BundleRefused | None = None

    @property
    def refused(self) -> BundleRefused | None:
        """Why the file as it is now is not believed; None: it is. Of the last call of ``current``."""
        return self._refused

    def current(self) -> Bundle:
        """The newest good one; raises ``BundleRefused`` where there never was one."""
        stamp = _stamp_of(self._file)
        with self._alone:
            if self._bundle is not None and stamp is not None and stamp == self._stamp:
                return self._bundle
        # The lock of the store is taken first by those who hold it while they connect.
        with self._lock(), self._alone:
            self._refused = None
            try:
                self._bundle = self._changed()
            except BundleRefused as refused:
                self._refused = refused
                self._bundle = self._bundle or self._kept(refused)
            self._stamp = stamp
            return self._bundle

    def _changed(self) -> Bundle:
        content = _content_of(self._file)
        bundle = Bundle.of_pem(content)
        if self._store.read(KEPT) != content:
            self._store.replace(KEPT, content)
        return bundle

    def _kept(self, refused: BundleRefused) -> Bundle:
        content = self._store.read(KEPT)
        if content is None:
            raise refused
        return Bundle.of_pem(content)


def _stamp_of(path: Path) -> Stamp | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _content_of(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise BundleRefused(problem="not a file")
            with os.fdopen(file, "rb", closefd=False) as stream:
                return stream.read(MOST_BYTES + 1)
        finally:
            os.close(file)
    except OSError as error:
        raise BundleRefused(problem=f"cannot be read: {error.strerror}") from None
