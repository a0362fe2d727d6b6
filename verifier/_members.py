"""What each member of an artifact must hold; ``reader`` lists the checks in their order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from verifier import version as version_file
from verifier._header_member import HeaderMember
from verifier._order import MemberKind, Order
from verifier._payload_member import PayloadMember
from verifier._tar_member import Member
from verifier.compression import Compression
from verifier.errors import (
    DigestMismatch,
    LimitExceeded,
    ManifestHeaderMismatch,
    PayloadFilesTooMany,
    PayloadMissing,
    PayloadUnexpected,
)
from verifier.events import Event, HeaderRead, ManifestRead, PayloadData, SignatureRead, VersionRead
from verifier.findings import Finding, FindingCode
from verifier.header import ROOTFS_IMAGE, TYPE_INFO
from verifier.limits import Limits
from verifier.manifest import Manifest

_SUFFIXES_MISREAD_BY_CLIENTS = (".gz", ".xz", ".zst")

Gate = Callable[[Manifest, SignatureRead | None], None]
"""Called with manifest and signature before a byte of the header is looked at; may refuse by raising."""


class Members:
    """The members of one artifact, one after another: ``starts``, ``data`` …, ``ends``."""

    _manifest: Manifest
    """Known once the order of members has let anything come after it."""

    def __init__(
        self,
        *,
        limits: Limits,
        emit: Callable[[Event], None],
        emit_data: Callable[[PayloadData], None] | None,
        hash_in_thread: bool,
        gate: Gate | None,
        on_script: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.findings: dict[Finding, None] = {}
        self.compressions: dict[MemberKind, Compression] = {}
        self._limits = limits
        self._emit = emit
        self._emit_data = emit_data
        self._hash_in_thread = hash_in_thread
        self._gate = gate
        self._on_script = on_script
        self._order = Order()
        self._kind = MemberKind.END
        self._compression = Compression.NONE
        self._small = bytearray()
        self._version_digest = ""
        self._signature: SignatureRead | None = None
        self._reading: HeaderMember | PayloadMember | None = None

    def starts(self, member: Member) -> None:
        """A member begins."""
        self._kind, self._compression = self._order.member(member.name)
        kind = self._kind
        if kind is MemberKind.HEADER:
            self._reading = self._header_starts(member)
        elif kind is MemberKind.DATA:
            self._reading = self._payload_starts(member)
        else:
            limit = _SMALL_MEMBERS[kind]
            allowed: int = getattr(self._limits, limit)
            if member.size > allowed:
                raise LimitExceeded(part=member.name, limit=limit, allowed=allowed)
            self._reading = None
            self._small.clear()

    def data(self, data: memoryview) -> None:
        """Bytes of the member."""
        if self._reading is None:
            self._small += data
        else:
            self._reading.feed(data)

    def ends(self, member: Member, *, padded_with_zeros: bool) -> None:
        """The member is complete, padding included."""
        if not padded_with_zeros:
            self._report(Finding(code=FindingCode.HIDDEN_BYTES, subject=member.name))
        if isinstance(self._reading, HeaderMember):
            self._header_ends(member, self._reading)
        elif isinstance(self._reading, PayloadMember):
            self._payload_ends(self._reading)
        else:
            self._small_ends(member, bytes(self._small))

    def close(self) -> None:
        """Give up what runs besides; whatever came, this is the end."""
        if isinstance(self._reading, PayloadMember):
            self._reading.close()

    def archive_ends(self) -> None:
        """The outer archive's end was read."""
        self._order.end()

    def _report(self, finding: Finding) -> None:
        self.findings.setdefault(finding)

    def _small_ends(self, member: Member, content: bytes) -> None:
        if self._kind is MemberKind.VERSION:
            version_file.check_version(content, limits=self._limits)
            self._version_digest = hashlib.sha256(content).hexdigest()
            self._emit(VersionRead(sha256=self._version_digest))
        elif self._kind is MemberKind.MANIFEST:
            self._manifest_ends(member, content)
        else:
            self._signature = SignatureRead(
                encoded=content, start_offset=member.start_offset, end_offset=member.end_offset
            )
            self._emit(self._signature)

    def _manifest_ends(self, member: Member, content: bytes) -> None:
        manifest = self._manifest = Manifest.parse(content, limits=self._limits)
        if manifest.version_digest != self._version_digest:
            raise DigestMismatch(path="version", expected=manifest.version_digest, actual=self._version_digest)
        for entry in manifest.payloads:
            if entry.name.endswith(_SUFFIXES_MISREAD_BY_CLIENTS):
                self._report(Finding(code=FindingCode.PAYLOAD_NAME_SUFFIX, subject=entry.name))
        self._emit(ManifestRead(manifest=manifest, end_offset=member.end_offset))

    def _header_starts(self, member: Member) -> HeaderMember:
        manifest = self._manifest
        if self._gate is not None:
            self._gate(manifest, self._signature)
        if manifest.header_name != member.name:
            raise ManifestHeaderMismatch(listed=manifest.header_name, stored=member.name)
        self._report_compression(member)
        return HeaderMember(
            name=member.name,
            size=member.size,
            compression=self._compression,
            expected=manifest.header_digest,
            limits=self._limits,
            report=self._report,
            on_script=self._on_script,
        )

    def _header_ends(self, member: Member, reading: HeaderMember) -> None:
        header = reading.finish()
        if header.payload_type is None:
            for entry in self._manifest.payloads:
                raise PayloadUnexpected(name=entry.name)
        files = len(self._manifest.payloads)
        if header.payload_type == ROOTFS_IMAGE and files > 1:
            raise PayloadFilesTooMany(payload_type=ROOTFS_IMAGE, count=files)
        if header.type_left_empty:
            self._report(Finding(code=FindingCode.TYPE_INFO_EMPTY, subject=TYPE_INFO))
        for field in header.ignored_fields:
            self._report(Finding(code=FindingCode.FIELD_IGNORED, subject=field))
        self._emit(
            HeaderRead(
                header=header,
                name=member.name,
                sha256=self._manifest.header_digest,
                end_offset=member.end_offset,
            )
        )

    def _payload_starts(self, member: Member) -> PayloadMember:
        self._report_compression(member)
        return PayloadMember(
            name=member.name,
            compression=self._compression,
            listed={entry.name: entry.sha256 for entry in self._manifest.payloads},
            limits=self._limits,
            emit=self._emit,
            emit_data=self._emit_data,
            hash_in_thread=self._hash_in_thread,
            report=self._report,
        )

    def _payload_ends(self, reading: PayloadMember) -> None:
        reading.finish()
        if reading.missing:
            raise PayloadMissing(names=reading.missing)

    def _report_compression(self, member: Member) -> None:
        first = Compression.ZSTD not in self.compressions.values()
        self.compressions[self._kind] = self._compression
        if self._compression is Compression.ZSTD and first:
            self._report(Finding(code=FindingCode.ZSTD_CLIENTS, subject=member.name))


_SMALL_MEMBERS = {
    MemberKind.VERSION: "version_bytes",
    MemberKind.MANIFEST: "manifest_bytes",
    MemberKind.SIGNATURE: "signature_bytes",
}
