"""Messages between a token's process and its parent: one datagram each, small, fixed, bounded.

A request is ``op, id, body``; a reply ``status, id, body``. The sockets keep message boundaries (SOCK_SEQPACKET), so
there is no framing to get wrong, and a message is either whole or absent. Bodies are either a signing request, which
is a fixed layout, or a sequence of tagged values. Whatever does not parse exactly raises ``WireError``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum

from hsm import errors
from hsm.algorithms import Algorithm
from hsm.errors import TokenError

VERSION = 1
MAX_MESSAGE = 65536  # bytes that can be signed without hashing them first
MAX_FRAME = 98304  # below the smallest default socket buffer of Linux, with room for the kernel's own
MAX_DEPTH = 16
MAX_TEXT = 512  # characters of a fact
DIGEST_SIZE = 32
ALGORITHMS = tuple(Algorithm)

_HEAD = struct.Struct("!BI")
_KEY = struct.Struct("!B32sB")
_LENGTH = struct.Struct("!I")
_TUPLE = b"("

type_of_fact = {"count": int, "timeout": float, "retry_after": float}


class WireError(Exception):
    """A message that the other side cannot have meant."""


class Op(IntEnum):
    """What is asked of a token's process."""

    SETUP = 1
    SIGN = 2
    CHECK = 3
    FIND = 4
    GENERATE = 5
    DESTROY = 6
    DESCRIBE = 7


class Status(IntEnum):
    """How a reply continues."""

    DONE = 0
    ITEM = 1  # more replies to the same request follow
    ERROR = 2
    OPENING = 3  # start-up: the opening lock is held, the token is being opened
    READY = 4
    LEAVING = 5  # the process is about to end; the body is the error that made it


class Kind(IntEnum):
    """What the payload of a signing request is."""

    DIGEST = 0
    MESSAGE = 1


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received."""

    op: Op
    id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as received."""

    status: Status
    id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A pinned key on the wire: ``digest`` is the SHA-256 of its SubjectPublicKeyInfo."""

    algorithm: Algorithm
    digest: bytes
    key_id: bytes


def request(op: Op, request_id: int, body: bytes = b"") -> bytes:
    """One request as a datagram."""
    return _bounded(_HEAD.pack(op, request_id) + body)


def reply(status: Status, request_id: int, body: bytes = b"") -> bytes:
    """One reply as a datagram."""
    return _bounded(_HEAD.pack(status, request_id) + body)


def parse_request(data: bytes) -> Request:
    """A received request; raises ``WireError``."""
    op, request_id = _head(data)
    try:
        return Request(Op(op), request_id, data[_HEAD.size :])
    except ValueError:
        raise WireError("unknown operation") from None


def parse_reply(data: bytes) -> Reply:
    """A received reply; raises ``WireError``."""
    status, request_id = _head(data)
    try:
        return Reply(Status(status), request_id, data[_HEAD.size :])
    except ValueError:
        raise WireError("unknown status") from None


def pack_key(key: KeyReference) -> bytes:
    """The fixed layout of a key reference, which also serves as its identity in caches."""
    return _KEY.pack(ALGORITHMS.index(key.algorithm), key.digest, len(key.key_id)) + key.key_id


def split_key(body: bytes) -> tuple[bytes, bytes]:
    """The packed key reference that ``body`` begins with, and the rest."""
    if len(body) < _KEY.size:
        raise WireError("short key reference")
    end = _KEY.size + body[_KEY.size - 1]
    if len(body) < end:
        raise WireError("short key reference")
    return body[:end], body[end:]


def unpack_key(packed: bytes) -> KeyReference:
    """What ``pack_key`` packed."""
    index, digest, length = _KEY.unpack_from(packed)
    key_id = packed[_KEY.size :]
    if index >= len(ALGORITHMS) or length != len(key_id) or not key_id:
        raise WireError("malformed key reference")
    return KeyReference(ALGORITHMS[index], digest, key_id)


def pack_signing(packed_key: bytes, kind: Kind, payload: bytes) -> bytes:
    """The body of a signing request."""
    return b"%b%c%b" % (packed_key, kind, payload)


def unpack_signing(body: bytes) -> tuple[bytes, Kind, bytes]:
    """``(packed key, kind, payload)`` of a signing request."""
    packed, rest = split_key(body)
    if not rest or rest[0] > Kind.MESSAGE:
        raise WireError("malformed signing request")
    kind, payload = Kind(rest[0]), rest[1:]
    if len(payload) > MAX_MESSAGE or (kind is Kind.DIGEST and len(payload) != DIGEST_SIZE):
        raise WireError("malformed signing request")
    return packed, kind, payload


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


def pack_error(error: TokenError) -> bytes:
    """An error's code and facts."""
    facts = [(item.name, getattr(error, item.name)) for item in fields(error)]
    return pack_values(error.code, *((name, str(value)[:MAX_TEXT]) for name, value in facts if value))


def unpack_error(body: bytes) -> TokenError:
    """The error that ``pack_error`` packed; a code or fact that is unknown raises ``WireError``."""
    code, *facts = unpack_values(body) or (None,)
    kind = _BY_CODE.get(code) if isinstance(code, str) else None
    if kind is None:
        raise WireError("unknown error code")
    known = {item.name for item in fields(kind)}
    arguments = {}
    for fact in facts:
        if not isinstance(fact, tuple) or len(fact) != 2 or fact[0] not in known:  # noqa: PLR2004  (name, value)
            raise WireError("unknown fact")
        name, value = str(fact[0]), str(fact[1])
        try:
            arguments[name] = type_of_fact.get(name, str)(value)
        except ValueError:
            raise WireError("malformed fact") from None
    return kind(**arguments)


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_FRAME:
        raise WireError("message too long")
    return data


def _head(data: bytes) -> tuple[int, int]:
    if not _HEAD.size <= len(data) <= MAX_FRAME:
        raise WireError("message of a wrong length")
    first, request_id = _HEAD.unpack_from(data)
    return first, request_id


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


def _tree(kind: type[TokenError]) -> list[type[TokenError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


_BY_CODE = {kind.code: kind for kind in _tree(errors.TokenError)}
