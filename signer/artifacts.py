"""Reading what is to be signed as it arrives, and splicing the signature into it.

Signing inserts or replaces one member: ``manifest.sig`` after ``manifest``. Every other 512-byte block is copied
as it is, so a signed artifact is the unsigned one plus a header block and the padded signature.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import BinaryIO

from signer.domain.requests import ArtifactSeen, HeadSeen, ManifestSeen, SigningRequest
from signer.errors import ArtifactIncomplete, EmptyBody, SignedAlready
from verifier import (
    ArtifactReader,
    FindingCode,
    Header,
    HeaderRead,
    Limits,
    Manifest,
    ManifestRead,
    PayloadFinished,
    SignatureRead,
)
from verifier.errors import Truncated

BLOCK = tarfile.BLOCKSIZE
COPY_BYTES = 1 << 18
SIGNATURE_NAME = "manifest.sig"
SIGNATURE_MODE = 0o644
# The first member of an artifact is named "version"; a manifest begins with a digest.
ARTIFACT_PREFIX = b"version\0"
# How the verifier calls the outermost archive in its errors.
OUTER_ARCHIVE = "artifact"


class Form(StrEnum):
    """What a body may be."""

    ANY = "any"  # manifest, head or whole artifact
    HEAD = "head"  # the head of an artifact, or more of it
    ARTIFACT = "artifact"  # a whole artifact, nothing less


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSplice:
    """Where the signature goes: bytes ``[0:cut_from]`` + member + ``[cut_to:]``, absolute offsets."""

    cut_from: int
    cut_to: int

    def size(self, total: int, encoded: bytes) -> int:
        """Bytes of the signed artifact, from ``total`` bytes of the given one."""
        return self.cut_from + len(signature_member(encoded)) + total - self.cut_to

    def join(self, artifact: BinaryIO, encoded: bytes) -> Iterator[bytes]:
        """The signed artifact in chunks; ``artifact`` is seekable and holds the given one."""
        artifact.seek(0)
        yield from _copy(artifact, self.cut_from)
        yield signature_member(encoded)
        artifact.seek(self.cut_to)
        yield from _copy(artifact, None)


def signature_member(encoded: bytes) -> bytes:
    """The tar member for the signature: USTAR, mode 0644, owner 0, time 0, padded to whole blocks."""
    info = tarfile.TarInfo(SIGNATURE_NAME)
    info.size, info.mode = len(encoded), SIGNATURE_MODE
    padding = bytes(-len(encoded) % BLOCK)
    return info.tobuf(tarfile.USTAR_FORMAT) + encoded + padding


def _codes(reader: ArtifactReader) -> frozenset[FindingCode]:
    return frozenset(finding.code for finding in reader.findings)


def _copy(source: BinaryIO, count: int | None) -> Iterator[bytes]:
    while count is None or count > 0:
        chunk = source.read(COPY_BYTES if count is None else min(COPY_BYTES, count))
        if not chunk:
            return
        if count is not None:
            count -= len(chunk)
        yield chunk


class UploadReader:
    """Takes a body chunk by chunk and ends as a ``SigningRequest``. Feed it all, then call ``finish`` once.

    Refuses with a ``verifier.VerificationError`` as soon as the bytes show a fault.
    """

    def __init__(self, *, form: Form, limits: Limits, head_bytes: int, replace: bool = False) -> None:
        self._form = form
        self._limits = limits
        self._head_bytes = head_bytes
        self._replace = replace
        self._start = b""
        self._manifest_text: bytearray | None = None
        self._reader: ArtifactReader | None = None
        self._manifest: Manifest | None = None
        self._header: Header | None = None
        self._splice: SignatureSplice | None = None
        self._sizes: dict[str, int] = {}
        self._head = bytearray()
        self.received = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self.received += len(chunk)
        if self._reader is None and self._manifest_text is None:
            self._start += chunk
            if len(self._start) < len(ARTIFACT_PREFIX):
                return
            chunk, self._start = self._start, b""
            self._choose(chunk)
        self._take(chunk)

    def finish(self) -> SigningRequest:
        """The checked request; raises ``EmptyBody``, ``ArtifactIncomplete`` or a ``VerificationError``."""
        if self.received == 0:
            raise EmptyBody
        if self._start:
            self._choose(self._start)
            self._take(self._start)
        if self._manifest_text is not None:
            manifest = Manifest.parse(bytes(self._manifest_text), limits=self._limits)
            return ManifestSeen(manifest=manifest)
        return self._finished_artifact()

    @property
    def manifest(self) -> Manifest:
        """What is signed; known once it was read, and so wherever the header is."""
        return self._read_manifest

    @property
    def header(self) -> Header | None:
        """What the artifact is; known once its header was read and has the manifest's digest."""
        return self._header

    @property
    def splice(self) -> SignatureSplice:
        """Where the signature goes; known once the header was read."""
        if self._splice is None:
            raise LookupError("the manifest was not read")
        return self._splice

    def _choose(self, start: bytes) -> None:
        if self._form is not Form.ANY or start.startswith(ARTIFACT_PREFIX):
            self._reader = ArtifactReader(limits=self._limits, payload_data=False)
        else:
            self._manifest_text = bytearray()

    def _take(self, chunk: bytes) -> None:
        if self._manifest_text is not None:
            self._manifest_text += chunk
            if len(self._manifest_text) > self._limits.manifest_bytes:
                # Lets the parser say so, with its own words and bounds.
                Manifest.parse(bytes(self._manifest_text), limits=self._limits)
        elif self._reader is not None:
            self._keep(chunk)
            for event in self._reader.feed(chunk):
                self._note(event)

    def _keep(self, chunk: bytes) -> None:
        """Hold what comes before the header was read, as far as a head may be long."""
        if self._header is None:
            self._head += chunk[: self._head_bytes - len(self._head)]

    def _cut_head(self, end: int) -> None:
        self._head = self._head[:end] if end <= len(self._head) else bytearray()

    def _note(self, event: object) -> None:
        match event:
            case ManifestRead():
                self._manifest = event.manifest
                self._splice = SignatureSplice(cut_from=event.end_offset, cut_to=event.end_offset)
            case SignatureRead():
                if not self._replace:
                    raise SignedAlready
                self._splice = SignatureSplice(cut_from=event.start_offset, cut_to=event.end_offset)
            case HeaderRead():
                self._header = event.header
                self._cut_head(event.end_offset)
            case PayloadFinished():
                self._sizes[event.name] = event.size
            case _:
                pass

    def _finished_artifact(self) -> SigningRequest:
        if self._reader is None:
            raise EmptyBody
        try:
            for event in self._reader.finish():
                self._note(event)
        except Truncated as error:
            # The body ends before the artifact does: a head, if that is allowed and the header was in it. What is
            # cut off inside of a whole artifact is no head.
            if error.part != OUTER_ARCHIVE or self._form is Form.ARTIFACT or self._header is None:
                raise
            if self.received > self._head_bytes:
                raise ArtifactIncomplete(received=self.received, head_limit=self._head_bytes) from None
            return HeadSeen(
                manifest=self._read_manifest,
                header=self._header,
                findings=_codes(self._reader),
                head=bytes(self._head),
            )
        return ArtifactSeen(
            manifest=self._read_manifest,
            header=self._read_header,
            findings=_codes(self._reader),
            sizes=MappingProxyType(self._sizes),
            head=bytes(self._head),
        )

    # The reader lets no artifact end, and gives no header, before it has given these.

    @property
    def _read_manifest(self) -> Manifest:
        if self._manifest is None:
            raise LookupError("the manifest was not read")
        return self._manifest

    @property
    def _read_header(self) -> Header:
        if self._header is None:
            raise LookupError("the header was not read")
        return self._header
