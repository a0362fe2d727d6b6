"""The manifest: the only signed bytes of an artifact.

1. Lines ``<64 lowercase hex><two spaces><name>``, each ended by one newline; no blank line, no CR.
2. Exactly one line ``version``, exactly one header, any number of ``data/0000/<name>``, each name once.

What fits these rules is its own canonical form, so clients that verify the raw bytes (C++) and clients that
verify their re-serialisation (Go) verify the same bytes.
"""

from __future__ import annotations

import hashlib
import re

from verifier._record import Record
from verifier.compression import Compression
from verifier.errors import (
    LimitExceeded,
    ManifestEntryMissing,
    ManifestEntryRepeated,
    ManifestLineInvalid,
    ManifestNameInvalid,
)
from verifier.limits import Limits

PAYLOAD_DIRECTORY = "data/0000/"
PAYLOAD_NAME = re.compile(r"[A-Za-z0-9_\-.,]+")

_LINE = re.compile(rb"([0-9a-f]{64})  ([\x21-\x7e]+)")
_HEADERS = frozenset("header.tar" + compression.value for compression in Compression)
_VERSION = "version"


class ManifestEntry(Record):
    """A payload file: its name without ``data/0000/``, and the lowercase hex SHA-256 of its contents."""

    name: str
    sha256: str


class Manifest(Record):
    """A canonical manifest. Digests are lowercase hex SHA-256."""

    raw: bytes
    """Exactly the bytes that are signed."""
    version_digest: str
    """Of the member ``version``."""
    header_name: str
    """``header.tar``, with the suffix of its compression."""
    header_digest: str
    """Of the header member as stored, that is, compressed."""
    payloads: tuple[ManifestEntry, ...]
    """The payload files, in the order of the manifest."""

    @property
    def sha256(self) -> str:
        """Of ``raw``: what a blind signer is given."""
        return hashlib.sha256(self.raw).hexdigest()

    @classmethod
    def parse(cls, raw: bytes, *, limits: Limits | None = None) -> Manifest:
        """Read a manifest; raises ``MalformedArtifact`` or ``LimitExceeded`` unless it is canonical."""
        limits = limits or Limits()
        if len(raw) > limits.manifest_bytes:
            raise LimitExceeded(part="manifest", limit="manifest_bytes", allowed=limits.manifest_bytes)
        digests = _digests(raw, limits)
        headers = [name for name in digests if name in _HEADERS]
        for name, found in ((_VERSION, _VERSION in digests), ("header.tar", bool(headers))):
            if not found:
                raise ManifestEntryMissing(name=name)
        return cls(
            raw=bytes(raw),
            version_digest=digests[_VERSION],
            header_name=headers[0],
            header_digest=digests[headers[0]],
            payloads=tuple(
                ManifestEntry(name=name.removeprefix(PAYLOAD_DIRECTORY), sha256=digest)
                for name, digest in digests.items()
                if name.startswith(PAYLOAD_DIRECTORY)
            ),
        )


def _digests(raw: bytes, limits: Limits) -> dict[str, str]:
    digests: dict[str, str] = {}
    header_seen = False
    *lines, unfinished = raw.split(b"\n")
    # Besides the payload files there are the lines of version and header.
    most_lines = limits.payload_files + 2
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ManifestLineInvalid(line=number)
        if number > most_lines:
            raise LimitExceeded(part="manifest", limit="payload_files", allowed=limits.payload_files)
        name = match[2].decode("ascii")
        is_header = name in _HEADERS
        if not (is_header or name == _VERSION or _is_payload(name, limits)):
            raise ManifestNameInvalid(line=number, name=name)
        if name in digests or (is_header and header_seen):
            raise ManifestEntryRepeated(line=number, name=name)
        header_seen |= is_header
        digests[name] = match[1].decode("ascii")
    if unfinished:
        raise ManifestLineInvalid(line=len(lines) + 1)
    return digests


def _is_payload(name: str, limits: Limits) -> bool:
    if not name.startswith(PAYLOAD_DIRECTORY):
        return False
    return is_payload_name(name.removeprefix(PAYLOAD_DIRECTORY), limits)


def is_payload_name(name: str, limits: Limits) -> bool:
    """Whether clients accept ``name`` for a payload file (mender-artifact's rule)."""
    if name in {".", ".."} or len(PAYLOAD_DIRECTORY) + len(name) > limits.payload_entry_bytes:
        return False
    return PAYLOAD_NAME.fullmatch(name) is not None
