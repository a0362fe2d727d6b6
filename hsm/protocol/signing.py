"""Signing requests: a fixed layout, because every signature pays for it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from hsm.algorithms import Algorithm
from hsm.protocol.values import WireError

MAX_MESSAGE = 65536  # bytes that can be signed without hashing them first
DIGEST_SIZE = 32
ALGORITHMS = tuple(Algorithm)
_KEY = struct.Struct("!B32sB")


class PayloadKind(IntEnum):
    """What the payload of a signing request is."""

    DIGEST = 0
    MESSAGE = 1


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A pinned key on the wire: ``digest`` is the SHA-256 of its SubjectPublicKeyInfo."""

    algorithm: Algorithm
    digest: bytes
    key_id: bytes


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


def pack_signing(packed_key: bytes, kind: PayloadKind, payload: bytes) -> bytes:
    """The body of a signing request."""
    return b"%b%c%b" % (packed_key, kind, payload)


def unpack_signing(body: bytes) -> tuple[bytes, PayloadKind, bytes]:
    """``(packed key, kind, payload)`` of a signing request."""
    packed, rest = split_key(body)
    if not rest or rest[0] > PayloadKind.MESSAGE:
        raise WireError("malformed signing request")
    kind, payload = PayloadKind(rest[0]), rest[1:]
    if len(payload) > MAX_MESSAGE or (kind is PayloadKind.DIGEST and len(payload) != DIGEST_SIZE):
        raise WireError("malformed signing request")
    return packed, kind, payload
