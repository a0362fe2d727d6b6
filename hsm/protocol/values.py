"""Tagged values: the bodies of messages that are not signatures. Each is ``tag, length, data``.

Parsing is linear, bounded in depth, and raises ``WireError`` at whatever does not parse exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

MAX_DEPTH = 16
_LENGTH = struct.Struct("!I")
_TUPLE = b"("


class WireError(Exception):
    """A message that the other side cannot have meant."""


Value = None | bool | int | float | str | bytes | tuple["Value", ...]


def pack_values(*values: Value) -> bytes:
    """Tagged values, each ``tag, length, data``."""
    return b"".join(_packed(value) for value in values)


def unpack_values(data: bytes, *, depth: int = MAX_DEPTH) -> tuple[Value, ...]:
    """What ``pack_values`` packed, at most ``depth`` tuples deep; raises ``WireError`` at anything else."""
    values, offset = [], 0
    while offset < len(data):
        if len(data) < offset + 1 + _LENGTH.size:
            raise WireError("short value")
        (size,) = _LENGTH.unpack_from(data, offset + 1)
        start = offset + 1 + _LENGTH.size
        if len(data) < start + size:
            raise WireError("short value")
        values.append(_unpacked(data[offset : offset + 1], data[start : start + size], depth))
        offset = start + size
    return tuple(values)


def _packed(value: Value) -> bytes:
    match value:
        case None:
            tag, data = b"n", b""
        case bool():
            tag, data = b"t", b"\1" if value else b"\0"
        case int():
            tag, data = b"i", str(value).encode()
        case float():
            tag, data = b"f", value.hex().encode()
        case str():
            tag, data = b"s", value.encode("utf-8", "surrogateescape")
        case bytes():
            tag, data = b"b", value
        case tuple():
            tag, data = _TUPLE, pack_values(*value)
    return tag + _LENGTH.pack(len(data)) + data


def _unpacked(tag: bytes, data: bytes, depth: int) -> Value:
    if tag == _TUPLE:
        if depth == 0:
            raise WireError("too many tuples inside each other")
        return unpack_values(data, depth=depth - 1)
    read = _READERS.get(tag)
    if read is None:
        raise WireError("unknown kind of value")
    try:
        return read(data)
    except (ValueError, KeyError):
        raise WireError("malformed value") from None


_READERS: dict[bytes, Callable[[bytes], Value]] = {
    b"n": {b"": None}.__getitem__,
    b"t": {b"\0": False, b"\1": True}.__getitem__,
    b"i": int,
    b"f": lambda data: float.fromhex(data.decode("ascii")),
    b"s": lambda data: data.decode("utf-8", "surrogateescape"),
    b"b": bytes,
}
