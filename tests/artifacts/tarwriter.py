"""Writes tar archives, correct ones and ones that are wrong in one named header field.

Nothing here is shared with the reader under test: what it writes is laid out from POSIX.1-1988 (ustar),
POSIX.1-2001 (pax) and the GNU tar manual, so that a misreading there cannot hide behind the same one here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

BLOCK = 512
END_OF_ARCHIVE = bytes(2 * BLOCK)
CHUNK = 1 << 20
ZEROS = bytes(CHUNK)
"""The chunk that a `Blob` of zeros yields; a writer to a file may seek over it instead."""
USTAR_SIZE_LIMIT = 8**11
"""Sizes from here on do not fit the eleven octal digits of the size field."""


class Flavour(Enum):
    """Which tar dialect a member's header is written in."""

    USTAR = "ustar"
    GNU = "gnu"
    V7 = "v7"
    PAX = "pax"


class Field(Enum):
    """A field of the 512-byte header: its offset and its length in bytes."""

    NAME = (0, 100)
    MODE = (100, 8)
    UID = (108, 8)
    GID = (116, 8)
    SIZE = (124, 12)
    MTIME = (136, 12)
    CHECKSUM = (148, 8)
    TYPE = (156, 1)
    LINK = (157, 100)
    MAGIC = (257, 8)
    UNAME = (265, 32)
    GNAME = (297, 32)
    DEVMAJOR = (329, 8)
    DEVMINOR = (337, 8)
    PREFIX = (345, 155)
    UNUSED = (500, 12)


NAME_BYTES = Field.NAME.value[1]

MAGIC = {
    Flavour.USTAR: b"ustar\x0000",
    Flavour.PAX: b"ustar\x0000",
    Flavour.GNU: b"ustar  \x00",
    Flavour.V7: bytes(8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Content too long for memory: `size` bytes, produced anew by each call of `chunks`."""

    size: int
    chunks: Callable[[], Iterator[bytes]]


def zeros(size: int) -> Blob:
    """A blob of `size` zero bytes."""

    def chunks() -> Iterator[bytes]:
        for _ in range(size // CHUNK):
            yield ZEROS
        yield bytes(size % CHUNK)

    return Blob(size=size, chunks=chunks)


Content = bytes | Blob


def content_size(content: Content) -> int:
    """The length of `content` in bytes."""
    return content.size if isinstance(content, Blob) else len(content)


def content_chunks(content: Content) -> Iterator[bytes]:
    """`content`, piece by piece."""
    return content.chunks() if isinstance(content, Blob) else iter((content,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of an archive.

    `fields` holds raw bytes that replace a header field; the checksum is computed over the result, unless
    it is itself replaced. `before` are extension headers written in front; `records` are pax records
    written in front as an `x` header. `padding` fills the last block (repeated as needed).
    """

    name: str
    content: Content = b""
    kind: bytes = b"0"
    mode: int = 0o600
    flavour: Flavour = Flavour.USTAR
    link: str = ""
    fields: Mapping[Field, bytes] = field(default_factory=dict)
    before: tuple[Member, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    padding: bytes = b"\0"


def tar_bytes(members: Iterable[Member], end: bytes = END_OF_ARCHIVE) -> bytes:
    """The whole archive in memory."""
    return b"".join(tar_chunks(members, end))


def tar_chunks(members: Iterable[Member], end: bytes = END_OF_ARCHIVE) -> Iterator[bytes]:
    """The archive piece by piece: headers, contents, paddings, then `end`."""
    for member in members:
        yield from member_chunks(member)
    yield end


def tar_size(members: Iterable[Member], end: bytes = END_OF_ARCHIVE) -> int:
    """The length in bytes of what `tar_chunks` yields, without reading any content."""
    return len(end) + sum(len(header_bytes(member)) + _padded(content_size(member.content)) for member in members)


def member_chunks(member: Member) -> Iterator[bytes]:
    """Headers, content and padding of one member."""
    yield header_bytes(member)
    yield from content_chunks(member.content)
    size = content_size(member.content)
    missing = _padded(size) - size
    yield (member.padding * missing)[:missing]


def header_bytes(member: Member) -> bytes:
    """The member's extension headers and its own header block."""
    extensions = list(member.before)
    records = dict(member.records)
    size = content_size(member.content)
    if size >= USTAR_SIZE_LIMIT and member.flavour is not Flavour.GNU:
        records.setdefault("size", str(size))
    if len(member.name.encode()) > NAME_BYTES:
        records.setdefault("path", member.name)
    if records:
        extensions.append(pax_header(records))
    return tar_bytes(extensions, end=b"") + _header_block(member, size)


def pax_header(records: Mapping[str, str], *, kind: bytes = b"x") -> Member:
    """A pax extended (`x`) or global (`g`) header."""
    body = b"".join(pax_record(key, value) for key, value in records.items())
    return Member(name="PaxHeaders.0/member", content=body, kind=kind, mode=0o644)


def pax_record(key: str, value: str) -> bytes:
    """`<length> <key>=<value>` and a newline; the length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def gnu_long_name(name: str) -> Member:
    """GNU tar's `L` entry: the next member's name, NUL-terminated, as content."""
    return Member(name="././@LongLink", content=name.encode() + b"\0", kind=b"L", flavour=Flavour.GNU)


def gnu_number(value: int, length: int) -> bytes:
    """GNU tar's base-256 form: the top bit set, then the value, big-endian, two's complement."""
    number = value.to_bytes(length, "big", signed=True)
    return bytes([number[0] | 0x80]) + number[1:]


def octal(value: int, length: int) -> bytes:
    """The usual form of a number: zero-padded octal digits and a NUL."""
    return f"{value:0{length - 1}o}".encode() + b"\0"


def _header_block(member: Member, size: int) -> bytes:
    ids = Field.UID.value[1]
    values = {
        Field.NAME: member.name.encode()[:NAME_BYTES],
        Field.MODE: octal(member.mode, ids),
        Field.UID: octal(0, ids),
        Field.GID: octal(0, ids),
        Field.SIZE: _size_field(size, member.flavour),
        Field.MTIME: octal(0, Field.MTIME.value[1]),
        Field.TYPE: member.kind,
        Field.LINK: member.link.encode(),
        Field.MAGIC: MAGIC[member.flavour],
    }
    block = bytearray(BLOCK)
    for where, raw in {**values, **member.fields}.items():
        _put(block, where, raw)
    if Field.CHECKSUM not in member.fields:
        _put(block, Field.CHECKSUM, f"{checksum(block):06o}\0 ".encode())
    return bytes(block)


def checksum(block: bytes | bytearray) -> int:
    """The sum of the header's bytes, its checksum field counted as blanks."""
    start, length = Field.CHECKSUM.value
    return sum(block) - sum(block[start : start + length]) + length * ord(" ")


def _size_field(size: int, flavour: Flavour) -> bytes:
    length = Field.SIZE.value[1]
    if size < USTAR_SIZE_LIMIT:
        return octal(size, length)
    return gnu_number(size, length) if flavour is Flavour.GNU else octal(0, length)


def _put(block: bytearray, where: Field, raw: bytes) -> None:
    offset, length = where.value
    if len(raw) > length:
        raise ValueError(f"{where.name} holds {length} bytes, not {len(raw)}")
    block[offset : offset + length] = raw.ljust(length, b"\0")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
