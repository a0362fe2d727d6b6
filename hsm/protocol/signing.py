"""Signing requests: many items to a message, in a fixed layout, because every signature pays for it.

A request is ``number of keys, number of items``, the keys, and the items, each ``key, kind, length, payload``. Answers
come in groups of a few items, slow ones one by one, as they are made and in any order: each names the item that it
answers, with a signature or an error of the item's own. ``DONE`` comes with the last group. One signature is a batch
of one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from hsm.algorithms import Algorithm
from hsm.errors import TokenError
from hsm.protocol.refusals import pack_error, unpack_error
from hsm.protocol.values import WireError
from hsm.types import PinnedKey

MAX_MESSAGE = 65536  # bytes that can be signed without hashing them first
MAX_ITEMS = 256  # to a message
MAX_KEYS = 255
DIGEST_SIZE = 32
ALGORITHMS = tuple(Algorithm)
_NUMBERS = {algorithm: number for number, algorithm in enumerate(ALGORITHMS)}
_KEY = struct.Struct("!B32sB")
_COUNTS = struct.Struct("!BH")
_ITEM = struct.Struct("!BBI")
_ANSWER = struct.Struct("!HBH")
ITEM_OVERHEAD = _ITEM.size
SIGNATURE, REFUSAL = 0, 1

Outcome = bytes | TokenError


class PayloadKind(IntEnum):
    """What the payload of an item is."""

    DIGEST = 0
    MESSAGE = 1


# Names of their own: a look into the class costs ten times as much, and every signature pays.
DIGEST, MESSAGE = _KINDS = tuple(PayloadKind)


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A pinned key on the wire: ``digest`` is the SHA-256 of its SubjectPublicKeyInfo."""

    algorithm: Algorithm
    digest: bytes
    key_id: bytes


Item = tuple[int, PayloadKind, bytes]  # index of its key, kind, payload


class Batch(NamedTuple):
    """What a message asks for. ``keys``: packed references."""

    keys: tuple[bytes, ...]
    items: tuple[Item, ...]


def pack_key(key: KeyReference | PinnedKey) -> bytes:
    """The fixed layout of a key reference, which also serves as its identity in caches."""
    return _KEY.pack(_NUMBERS[key.algorithm], key.digest, len(key.key_id)) + key.key_id


def unpack_key(packed: bytes) -> KeyReference:
    """What ``pack_key`` packed; raises ``WireError``."""
    if len(packed) < _KEY.size:
        raise WireError("short key reference")
    index, digest, length = _KEY.unpack_from(packed)
    key_id = packed[_KEY.size :]
    if index >= len(ALGORITHMS) or length != len(key_id) or not key_id:
        raise WireError("malformed key reference")
    return KeyReference(ALGORITHMS[index], digest, key_id)


def pack_batch(keys: Sequence[bytes], items: Iterable[Item]) -> bytes:
    """The body of a signing request: at most ``MAX_ITEMS`` items under ``MAX_KEYS`` packed keys."""
    parts = [b"", *keys]
    count = 0
    for key, kind, payload in items:
        parts += (_ITEM.pack(key, kind, len(payload)), payload)
        count += 1
    parts[0] = _COUNTS.pack(len(keys), count)
    return b"".join(parts)


def unpack_batch(body: bytes) -> Batch:
    """What ``pack_batch`` packed; raises ``WireError`` at anything else."""
    try:
        key_count, item_count = _COUNTS.unpack_from(body)
        offset, keys = _COUNTS.size, []
        for _ in range(key_count):
            end = offset + _KEY.size + body[offset + _KEY.size - 1]
            keys.append(body[offset:end])
            offset = end
        items = []
        for _ in range(item_count):
            key, kind, size = _ITEM.unpack_from(body, offset)
            start = offset + _ITEM.size
            offset = start + size
            items.append((key, _KINDS[kind], body[start:offset]))
            if key >= key_count or size > MAX_MESSAGE or (kind == DIGEST.value and size != DIGEST_SIZE):
                raise WireError("malformed item")
    except (struct.error, IndexError, ValueError):
        raise WireError("malformed batch") from None
    if offset != len(body) or not 1 <= item_count <= MAX_ITEMS:
        raise WireError("batch of a wrong length")
    return Batch(tuple(keys), tuple(items))


def pack_answers(answers: Iterable[tuple[int, Outcome]]) -> bytes:
    """A group of answers: numbers of items, and what each became."""
    parts = []
    for number, outcome in answers:
        refused = isinstance(outcome, TokenError)
        data = pack_error(outcome) if isinstance(outcome, TokenError) else outcome
        parts += [_ANSWER.pack(number, REFUSAL if refused else SIGNATURE, len(data)), data]
    return b"".join(parts)


def unpack_answers(body: bytes) -> list[tuple[int, Outcome]]:
    """What ``pack_answers`` packed, at least one; raises ``WireError`` at anything else."""
    answers: list[tuple[int, Outcome]] = []
    offset = 0
    while offset < len(body):
        try:
            number, kind, size = _ANSWER.unpack_from(body, offset)
        except struct.error:
            raise WireError("short answer") from None
        start = offset + _ANSWER.size
        offset = start + size
        data = body[start:offset]
        if len(data) != size or kind not in (SIGNATURE, REFUSAL):
            raise WireError("malformed answer")
        answers.append((number, data if kind == SIGNATURE else unpack_error(data)))
    if not answers:
        raise WireError("no answer")
    return answers
