"""A strict, push-style reader of tar archives: bytes in, members out; it never reads and never seeks.

Accepted is what Go's ``archive/tar`` and libarchive both read, and read alike:

1. Header blocks of v7, POSIX ustar and GNU tar, with a correct checksum.
2. Numbers in octal, and in GNU's base-256 where they are not negative.
3. GNU long names (``L``) and PAX per-file headers (``x``), one before a member; no PAX global headers.
4. Regular files only.
5. Two zero blocks end an archive, and only zeros follow them.
6. Names are printable ASCII, in every header block and in every field that holds one, read or not. An archive does
   not begin with what begins compressed data: C++ clients would unpack it and read another archive.

``tarfile`` of the standard library is no help: at a bad checksum or at one zero block it silently lists fewer
members.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from verifier._tar_member import BLOCK, Member
from verifier._tar_plain import plain_block
from verifier.errors import (
    LimitExceeded,
    MemberNotRegular,
    NotAnArtifact,
    PaxGlobalHeader,
    TarChecksumInvalid,
    TarEndIncomplete,
    TarExtensionInvalid,
    TarTrailingData,
    Truncated,
)
from verifier.limits import Limits

if TYPE_CHECKING:
    from verifier._tar_extension import Extension

_ZERO_BLOCK = bytes(BLOCK)
_REGULAR = "0"
_EXTENSIONS = ("x", "L")
_PAX_GLOBAL = "g"
_FIRST_MEMBER = b"version"
# What writers call the header blocks of extensions.
_EXTENSION_NAMES = (b"PaxHeaders", b"./PaxHeaders", b"././@LongLink")


class MemberEnd:
    """Marks that a member's bytes and padding are complete; ``padded_with_zeros`` is what writers do."""

    __slots__ = ("padded_with_zeros",)

    def __init__(self, *, padded_with_zeros: bool) -> None:
        self.padded_with_zeros = padded_with_zeros


class ArchiveEnd:
    """Marks the two zero blocks."""

    __slots__ = ()


Item = Member | memoryview | MemberEnd | ArchiveEnd


class TarReader:
    """Reads one archive. ``part`` names it in errors, for example ``"artifact"`` or ``"data/0000.tar"``."""

    def __init__(self, *, part: str, limits: Limits) -> None:
        self.offset = 0
        """Bytes consumed so far."""
        self.ended = False
        """Whether the two zero blocks were seen."""
        self._part = part
        self._limits = limits
        self._block = bytearray()
        self._zero_block_seen = False
        self._zeros_after_end = 0
        self._data_left = 0
        self._padding_left = 0
        self._padded_with_zeros = True
        self._in_member = False
        self._extension: Extension | None = None
        self._extension_data: bytearray | None = None
        self._extension_bytes = 0

    def feed(self, data: memoryview) -> Iterator[Item]:
        """Consume all of ``data`` and yield what it completes; views yielded are slices of ``data``."""
        while len(data):
            if self.ended:
                self._after_end(data)
                return
            if self._is_between_members:
                at = self.offset
                yield from self._plain_items(data)
                data = data[self.offset - at :]
                if not len(data):
                    return
            if self._data_left:
                piece = data[: self._data_left]
                data = data[len(piece) :]
                self.offset += len(piece)
                self._data_left -= len(piece)
                if self._extension_data is not None:
                    self._extension_data += piece
                else:
                    yield piece
            elif self._padding_left:
                piece = data[: self._padding_left]
                data = data[len(piece) :]
                self.offset += len(piece)
                self._padding_left -= len(piece)
                self._padded_with_zeros &= bytes(piece).count(0) == len(piece)
            else:
                taken = BLOCK - len(self._block)
                self._block += data[:taken]
                data = data[taken:]
                if len(self._block) < BLOCK:
                    return
                yield from self._block_complete(bytes(self._block))
                self._block.clear()
            if self._in_member and not self._data_left and not self._padding_left:
                yield from self._member_complete()

    def plain_members(self, data: memoryview) -> Iterator[tuple[Member, memoryview, bool]]:
        """Consume the members at the start of ``data`` that are whole in it, and plain; the others are for ``feed``.

        Yields each with its contents and whether it is padded with zeros. ``offset`` says how much was consumed.
        This is what ``feed`` does with such members too; it makes no state for each block.
        """
        if not self._is_between_members:
            return
        at, offset = 0, self.offset
        while (start := at + BLOCK) <= len(data):
            plain = plain_block(bytes(data[at:start]))
            if plain is None:
                return
            name, size, mode = plain
            end = start + size
            padded_end = end + -size % BLOCK
            if padded_end > len(data):
                return
            padded_with_zeros = end == padded_end or not bytes(data[end:padded_end]).strip(b"\0")
            self.offset = offset + padded_end
            yield Member(name, size, mode, _REGULAR, offset + at, offset + start), data[start:end], padded_with_zeros
            at = padded_end

    def _plain_items(self, data: memoryview) -> Iterator[Item]:
        for member, contents, padded_with_zeros in self.plain_members(data):
            yield member
            if len(contents):
                yield contents
            yield MemberEnd(padded_with_zeros=padded_with_zeros)

    @property
    def _is_between_members(self) -> bool:
        return not (self._block or self._in_member or self._zero_block_seen or self._extension is not None)

    def finish(self) -> None:
        """Say that no more bytes come; an archive without its end is refused."""
        if self.ended:
            return
        if self._part == "artifact" and self.offset == 0 and not _may_begin_artifact(bytes(self._block)):
            raise NotAnArtifact
        raise Truncated(part=self._part, offset=self.offset + len(self._block))

    def _block_complete(self, block: bytes) -> Iterator[Item]:
        start = self.offset
        self.offset += BLOCK
        if block == _ZERO_BLOCK:
            if self._extension is not None:
                raise TarExtensionInvalid(part=self._part, offset=start)
            if self._zero_block_seen:
                self.ended = True
                yield ArchiveEnd()
            self._zero_block_seen = True
            return
        if self._zero_block_seen:
            raise TarEndIncomplete(part=self._part, offset=start)
        from verifier._tar_header import parse_block  # not needed where all blocks are plain

        try:
            member = parse_block(block, part=self._part, offset=start)
        except TarChecksumInvalid:
            if self._part == "artifact" and start == 0:
                raise NotAnArtifact from None
            raise
        yield from self._header_complete(member)

    def _header_complete(self, member: Member) -> Iterator[Item]:
        if member.typeflag == _PAX_GLOBAL:
            raise PaxGlobalHeader(part=self._part, offset=member.start_offset)
        if member.typeflag in _EXTENSIONS:
            self._extension_begins(member)
        else:
            if self._extension is not None:
                member, self._extension = self._extension.applied_to(member), None
            if member.typeflag != _REGULAR:
                raise MemberNotRegular(part=self._part, name=member.name, typeflag=member.typeflag)
            yield member
        self._in_member = True
        self._data_left = member.size
        self._padding_left = -member.size % BLOCK
        self._padded_with_zeros = True

    def _extension_begins(self, member: Member) -> None:
        from verifier._tar_extension import Extension

        if self._extension is not None:
            raise TarExtensionInvalid(part=self._part, offset=member.start_offset)
        allowed = self._limits.tar_extension_bytes
        if member.size > allowed:
            raise LimitExceeded(part=self._part, limit="tar_extension_bytes", allowed=allowed)
        self._extension_bytes += member.size
        allowed = self._limits.tar_extensions_total_bytes
        if self._extension_bytes > allowed:
            raise LimitExceeded(part=self._part, limit="tar_extensions_total_bytes", allowed=allowed)
        self._extension = Extension(kind=member.typeflag, part=self._part, offset=member.start_offset)
        self._extension_data = bytearray()

    def _member_complete(self) -> Iterator[Item]:
        self._in_member = False
        if self._extension_data is None:
            yield MemberEnd(padded_with_zeros=self._padded_with_zeros)
            return
        if self._extension is not None:
            self._extension.parse(bytes(self._extension_data))
        self._extension_data = None

    def _after_end(self, data: memoryview) -> None:
        allowed = self._limits.zero_padding_bytes
        looked_at = data[: allowed - self._zeros_after_end].tobytes()
        if looked_at.count(0) != len(looked_at):
            zeros = len(looked_at) - len(looked_at.lstrip(b"\0"))
            raise TarTrailingData(part=self._part, offset=self.offset + zeros)
        self.offset += len(data)
        self._zeros_after_end += len(data)
        if self._zeros_after_end > allowed:
            raise LimitExceeded(part=self._part, limit="zero_padding_bytes", allowed=allowed)


def _may_begin_artifact(begun: bytes) -> bool:
    """Whether fewer bytes than a header block could be the beginning of an artifact that was cut short."""
    name, nul, _ = begun.partition(b"\0")
    if nul:
        return name == _FIRST_MEMBER or name.startswith(_EXTENSION_NAMES)
    return any(each.startswith(name) for each in (_FIRST_MEMBER, *_EXTENSION_NAMES)) or name.startswith(
        _EXTENSION_NAMES
    )
