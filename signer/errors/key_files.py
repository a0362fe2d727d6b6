"""Refusals of keys that come from files."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class KeyFileRejected(SignerError):
    """A file with a key from outside cannot be taken. ``reason``: a sentence."""

    code = "key-file-rejected"
    reason: str


@dataclass(eq=False, kw_only=True)
class KeyFileReadable(SignerError):
    """Others than its owner may read, or have written, the file of a private key. ``mode``: octal permissions."""

    code = "key-file-readable"
    path: str
    mode: str


@dataclass(eq=False, kw_only=True)
class PassphraseMissing(SignerError):
    """The file is encrypted, and no passphrase is given."""

    code = "passphrase-missing"


@dataclass(eq=False, kw_only=True)
class PassphraseRejected(SignerError):
    """The passphrase does not open the file, or what is encrypted in it is damaged."""

    code = "passphrase-rejected"


@dataclass(eq=False, kw_only=True)
class ImportNotAllowed(SignerError):
    """Keys of this purpose are never taken from outside, or the key is of another kind. ``reason``: a sentence."""

    code = "import-not-allowed"
    key: str
    reason: str
