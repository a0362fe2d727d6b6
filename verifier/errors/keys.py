"""Refusals of keys. ``source`` is the file's path, or ``None`` for a key given as bytes."""

from __future__ import annotations

from typing import ClassVar

from verifier.errors.base import VerificationError


class KeyLoadError(VerificationError):
    """A key cannot be used. It never counts as no key: verification does not begin."""

    code: ClassVar[str] = "key-load-error"


class KeyUnreadable(KeyLoadError):
    """The file or directory cannot be read; ``reason`` is the system's."""

    code: ClassVar[str] = "key-unreadable"
    source: str | None
    reason: str


class KeyPointCompressed(KeyLoadError):
    """An elliptic-curve key in compressed form, which Go clients refuse."""

    code: ClassVar[str] = "key-point-compressed"
    source: str | None


class KeyFileEmpty(KeyLoadError):
    """The key file holds nothing."""

    code: ClassVar[str] = "key-file-empty"
    source: str | None


class KeyDirectoryEmpty(KeyLoadError):
    """The directory holds no file."""

    code: ClassVar[str] = "key-directory-empty"
    source: str | None


class KeyFileNotPem(KeyLoadError):
    """The file holds no PEM block, or a damaged one."""

    code: ClassVar[str] = "key-file-not-pem"
    source: str | None


class KeyNotPublic(KeyLoadError):
    """The PEM block is not ``PUBLIC KEY``; ``label`` says what it is."""

    code: ClassVar[str] = "key-not-public"
    source: str | None
    label: str


class SeveralKeysInFile(KeyLoadError):
    """The file holds several PEM blocks; clients use only the first and ignore the rest."""

    code: ClassVar[str] = "several-keys-in-file"
    source: str | None


class KeyInvalid(KeyLoadError):
    """The bytes are no SubjectPublicKeyInfo in DER."""

    code: ClassVar[str] = "key-invalid"
    source: str | None


class KeyUnsupported(KeyLoadError):
    """The key is of an algorithm, curve or size that no artifact is verified with."""

    code: ClassVar[str] = "key-unsupported"
    source: str | None
    algorithm: str


class NoKeys(KeyLoadError):
    """There is no key at all: nothing can be verified, and nothing passes."""

    code: ClassVar[str] = "no-keys"
