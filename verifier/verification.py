"""Verification: the reader's checks, and a trusted signature before any of the contents are handed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from verifier._members import Gate
from verifier.compression import Compression
from verifier.errors import ArtifactRecalled, FindingsRefused, Unsigned
from verifier.events import (
    ArtifactFinished,
    Event,
    HeaderRead,
    ManifestRead,
    PayloadData,
    PayloadFinished,
    SignatureRead,
)
from verifier.evidence import Evidence, Inspection, VerifiedPayload
from verifier.findings import Finding, FindingCode
from verifier.header import Header
from verifier.keys import KeyAlgorithm, TrustStore
from verifier.limits import Limits
from verifier.manifest import Manifest
from verifier.reader import ArtifactReader
from verifier.signatures import SignatureEncoding, SignatureMatch, verify_manifest_signature

if TYPE_CHECKING:
    from verifier.log import LogDemand, LogEvidence, RecalledList

_RSA_BITS_RECOMMENDED = 2048


class Readable(Protocol):
    """Anything with ``read(n)``: a file, a pipe, a socket's file, an HTTP response."""

    def read(self, size: int, /) -> bytes | None: ...


class _Collected:
    """What the events told; a finished reader has told of a manifest and a header."""

    manifest: Manifest
    header: Header

    def __init__(self) -> None:
        self.payloads: list[VerifiedPayload] = []
        self.has_signature = False
        self.size = 0

    def take(self, events: list[Event]) -> list[Event]:
        for event in events:
            if isinstance(event, ManifestRead):
                self.manifest = event.manifest
            elif isinstance(event, SignatureRead):
                self.has_signature = True
            elif isinstance(event, HeaderRead):
                self.header = event.header
            elif isinstance(event, PayloadFinished):
                self.payloads.append(VerifiedPayload(name=event.name, size=event.size, sha256=event.sha256))
            elif isinstance(event, ArtifactFinished):
                self.size = event.size
        return events


class Verifier:
    """Verifies one artifact that is fed to it in chunks of any size.

    The signature is decided before an event of the header or payload is handed out, and before the header is
    decompressed. Payload bytes are *tentative* until ``finish`` returns the evidence. ``strict``
    refuses an artifact that has findings; ``log`` one whose signature is not shown to be on record in a log;
    ``recalled`` one that the list names. The other arguments are those of ``ArtifactReader``.
    """

    _match: SignatureMatch
    _log_evidence: LogEvidence | None = None

    def __init__(
        self,
        *,
        trust: TrustStore,
        limits: Limits | None = None,
        payload_data: bool = True,
        on_payload: Callable[[PayloadData], None] | None = None,
        hash_in_thread: bool = False,
        strict: bool = False,
        log: LogDemand | None = None,
        recalled: RecalledList | None = None,
    ) -> None:
        self._trust = trust
        self._recalled = recalled
        self._log = log
        self._strict = strict
        self._refusal: FindingsRefused | None = None
        self._signature_findings: tuple[Finding, ...] = ()
        self._collected = _Collected()
        self._reader = ArtifactReader(
            limits=limits,
            payload_data=payload_data,
            on_payload=on_payload,
            gate=self._decide,
            hash_in_thread=hash_in_thread,
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is valid but worth knowing, so far."""
        return self._signature_findings + self._reader.findings

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[Event]:
        """Take the next bytes; return the events they complete. Raises a ``VerificationError``."""
        return self._collected.take(self._reader.feed(chunk))

    def finish(self) -> Evidence:
        """Say that no more bytes come; the evidence, if and only if the artifact is valid.

        Raises a ``VerificationError``.
        """
        if self._refusal is None:
            self._collected.take(self._reader.finish())
            if self._strict and self.findings:
                self._refusal = FindingsRefused(findings=self.findings)
        if self._refusal is not None:
            raise self._refusal
        collected, match = self._collected, self._match
        return Evidence(
            header=collected.header,
            manifest=collected.manifest,
            key=match.key,
            signature_encoding=match.encoding,
            payloads=tuple(collected.payloads),
            payload_compression=self._reader.payload_compression or Compression.NONE,
            findings=self.findings,
            size=collected.size,
            log=self._log_evidence,
        )

    def close(self) -> None:
        """End the worker thread, if there is one; needed only where neither an error nor ``finish`` came."""
        self._reader.close()

    def _decide(self, manifest: Manifest, signature: SignatureRead | None) -> None:
        if signature is None:
            raise Unsigned
        self._match = verify_manifest_signature(manifest.raw, signature.encoded, self._trust)
        self._signature_findings = _signature_findings(self._match)
        if self._recalled is not None and self._recalled.names(manifest.sha256):
            raise ArtifactRecalled(manifest_sha256=manifest.sha256, version=self._recalled.version)
        if self._log is not None:
            from verifier.log import verify_proof

            self._log_evidence = verify_proof(
                self._log,
                manifest_sha256=manifest.sha256,
                fingerprint=self._match.key.fingerprint,
                signature=signature.encoded,
            )


def verify(  # noqa: PLR0913  (all that decides, by keyword)
    stream: Readable,
    *,
    trust: TrustStore,
    limits: Limits | None = None,
    on_payload: Callable[[PayloadData], None] | None = None,
    progress: Callable[[int], None] | None = None,
    hash_in_thread: bool = True,
    strict: bool = False,
    log: LogDemand | None = None,
    recalled: RecalledList | None = None,
) -> Evidence:
    """Verify the artifact in ``stream``, reading it once from where it stands to its end, without seeking.

    ``on_payload`` gets payload bytes as they come, *tentative* until the evidence is returned; ``progress``
    gets the number of bytes read so far; ``strict`` refuses an artifact that has findings; ``log`` demands that a
    proof shows the signature on record; ``recalled`` (of ``verifier.log.open_recalled``) refuses what the list names.
    Raises a ``VerificationError``, or what ``stream.read`` raises.
    """
    limits = limits or Limits()
    verifier = Verifier(
        trust=trust,
        limits=limits,
        payload_data=False,
        on_payload=on_payload,
        hash_in_thread=hash_in_thread,
        strict=strict,
        log=log,
        recalled=recalled,
    )
    try:
        _pump(stream, verifier.feed, limits=limits, progress=progress)
        return verifier.finish()
    finally:
        verifier.close()


def inspect(
    stream: Readable,
    *,
    limits: Limits | None = None,
    on_payload: Callable[[PayloadData], None] | None = None,
    progress: Callable[[int], None] | None = None,
    hash_in_thread: bool = True,
) -> Inspection:
    """Read the artifact in ``stream`` like ``verify``, signed or not; *the signature is not checked*."""
    limits = limits or Limits()
    collected = _Collected()
    reader = ArtifactReader(limits=limits, payload_data=False, on_payload=on_payload, hash_in_thread=hash_in_thread)
    try:
        _pump(stream, lambda chunk: collected.take(reader.feed(chunk)), limits=limits, progress=progress)
        collected.take(reader.finish())
    finally:
        reader.close()
    return Inspection(
        header=collected.header,
        manifest=collected.manifest,
        payloads=tuple(collected.payloads),
        payload_compression=reader.payload_compression or Compression.NONE,
        findings=reader.findings,
        size=collected.size,
        has_signature=collected.has_signature,
    )


def _pump(
    stream: Readable,
    feed: Callable[[bytes], list[Event]],
    *,
    limits: Limits,
    progress: Callable[[int], None] | None,
) -> None:
    read = 0
    while chunk := stream.read(limits.chunk_bytes):
        feed(chunk)
        read += len(chunk)
        if progress is not None:
            progress(read)
    if chunk is None:
        raise BlockingIOError("the stream is not in blocking mode")


def _signature_findings(match: SignatureMatch) -> tuple[Finding, ...]:
    found = []
    if match.encoding is SignatureEncoding.ECDSA_DER:
        found.append(Finding(code=FindingCode.SIGNATURE_DER, subject="manifest.sig"))
    if match.key.algorithm is KeyAlgorithm.RSA and match.key.bits < _RSA_BITS_RECOMMENDED:
        found.append(Finding(code=FindingCode.RSA_KEY_SHORT, subject=match.key.fingerprint, value=match.key.bits))
    return tuple(found)


__all__ = ["Gate", "Readable", "Verifier", "inspect", "verify"]
