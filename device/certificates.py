"""The device's own certificates, shown where the server asks for one: always the one of the key that asks.

A certificate lies in the file that the settings name, or in the state directory under the fingerprint of its key, where
renewal puts it. The one that ends last is shown.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device.errors import ClientCertificateRefused
from device.keys import DeviceKey
from device.store import MOST_BYTES, Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFiles:
    """What OpenSSL reads: the certificate with its chain, and the private key, both PEM."""

    certificate: Path
    key: Path
    not_after: datetime


def issued_name(fingerprint: str) -> str:
    """The file of a certificate that was issued for a key."""
    return f"certificate-{fingerprint[:16]}.pem"


class ClientCertificates:
    """Certificates for the keys of a directory. ``given``: the file that the settings name."""

    def __init__(self, *, directory: Directory, given: Path) -> None:
        self._directory = directory
        self._given = given

    def files_for(self, key: DeviceKey) -> ShownFiles:
        """What is shown with a key; raises ``ClientCertificateRefused``."""
        found = [
            ShownFiles(certificate=path, key=self._directory.path / key.name, not_after=leaf.not_valid_after_utc)
            for path in (self._given, self._directory.path / issued_name(key.fingerprint))
            if (leaf := _leaf_of(path)) is not None and _fingerprint_of(leaf) == key.fingerprint
        ]
        if not found:
            raise ClientCertificateRefused(fingerprint=key.fingerprint, problem="no certificate of this key")
        return max(found, key=lambda each: each.not_after)


def _leaf_of(path: Path) -> x509.Certificate | None:
    """The first certificate of a file; None where it has none, since another file may."""
    try:
        with path.open("rb") as stream:
            return x509.load_pem_x509_certificates(stream.read(MOST_BYTES))[0]
    except (OSError, ValueError, UnsupportedAlgorithm):
        return None


def _fingerprint_of(leaf: x509.Certificate) -> str | None:
    try:
        spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return hashlib.sha256(spki).hexdigest()
