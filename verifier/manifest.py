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

# Digest, then the name of a payload file that has the form of one, or any other name.
_LINE = re.compile(rf"([0-9a-f]{{64}})  (?:{PAYLOAD_DIRECTORY}({PAYLOAD_NAME.pattern})|([\x21-\x7e]+))")
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
        members, payloads = _digests(raw, limits)
        header = next((name for name in members if name in _HEADERS), None)
        if _VERSION not in members:
            raise ManifestEntryMissing(name=_VERSION)
        if header is None:
            raise ManifestEntryMissing(name="header.tar")
        return cls(
            raw=bytes(raw),
            version_digest=members[_VERSION],
            header_name=header,
            header_digest=members[header],
            payloads=tuple(ManifestEntry(name=name, sha256=digest) for name, digest in payloads.items()),
        )


def _digests(raw: bytes, limits: Limits) -> tuple[dict[str, str], dict[str, str]]:
    """Those of version and header, and those of the payload files, each by its name."""
    members: dict[str, str] = {}
    payloads: dict[str, str] = {}
    # Each byte as one character: what is not ASCII is in no line.
    *lines, unfinished = raw.decode("latin-1").split("\n")
    # Besides the payload files there are the lines of version and header.
    most_lines = limits.payload_files + 2
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ManifestLineInvalid(line=number)
        if number > most_lines:
            raise LimitExceeded(part="manifest", limit="payload_files", allowed=limits.payload_files)
        digest, payload, name = match.groups()
        if payload is not None:
            if not _is_file(payload, limits):
                raise ManifestNameInvalid(line=number, name=PAYLOAD_DIRECTORY + payload)
            if payload in payloads:
                raise ManifestEntryRepeated(line=number, name=PAYLOAD_DIRECTORY + payload)
            payloads[payload] = digest
            continue
        is_header = name in _HEADERS
        if not (is_header or name == _VERSION):
            raise ManifestNameInvalid(line=number, name=name)
        if name in members or (is_header and not _HEADERS.isdisjoint(members)):
            raise ManifestEntryRepeated(line=number, name=name)
        members[name] = digest
    if unfinished:
        raise ManifestLineInvalid(line=len(lines) + 1)
    return members, payloads


def is_payload_name(name: str, limits: Limits) -> bool:
    """Whether clients accept ``name`` for a payload file (mender-artifact's rule)."""
    return _is_file(name, limits) and PAYLOAD_NAME.fullmatch(name) is not None


def _is_file(name: str, limits: Limits) -> bool:
    return name not in {".", ".."} and len(PAYLOAD_DIRECTORY) + len(name) <= limits.payload_entry_bytes
