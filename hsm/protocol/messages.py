"""Messages between a token's process and its parent: one datagram each, small, fixed, bounded.

A request is ``operation, id, body``; a reply ``status, id, body``. The sockets keep message boundaries
(SOCK_SEQPACKET), so there is no framing to get wrong, and a message is either whole or absent. Whatever does not parse
exactly raises ``WireError``.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from hsm.protocol.values import WireError

VERSION = 2
MAX_FRAME = 98304  # below the smallest default socket buffer of Linux, with room for the kernel's own

_HEAD = struct.Struct("!BI")


class Op(IntEnum):
    """What is asked of a token's process."""

    SETUP = 1
    SIGN = 2
    CHECK = 3
    FIND = 4
    GENERATE = 5
    DESTROY = 6
    DESCRIBE = 7
    CERTIFICATES = 8
    IMPORT = 9


class Status(IntEnum):
    """How a reply continues."""

    DONE = 0
    ITEM = 1  # more replies to the same request follow
    ERROR = 2
    OPENING = 3  # start-up: the opening lock is held, the token is being opened
    READY = 4
    LEAVING = 5  # the process is about to end; the body is the error that made it


# Members by number: a look into a dictionary costs a tenth of a call of the class, and every signature pays.
_OPS = {int(op): op for op in Op}
_STATUSES = {int(status): status for status in Status}


class RequestMessage(NamedTuple):
    """A request as received."""

    op: Op
    id: int
    body: bytes


class ReplyMessage(NamedTuple):
    """A reply as received."""

    status: Status
    id: int
    body: bytes


def request(op: Op, request_id: int, body: bytes = b"") -> bytes:
    """One request as a datagram."""
    return _bounded(_HEAD.pack(op, request_id) + body)


def reply(status: Status, request_id: int, body: bytes = b"") -> bytes:
    """One reply as a datagram."""
    return _bounded(_HEAD.pack(status, request_id) + body)


def parse_request(data: bytes) -> RequestMessage:
    """A received request; raises ``WireError``."""
    op, request_id = _head(data)
    try:
        return RequestMessage(_OPS[op], request_id, data[_HEAD.size :])
    except KeyError:
        raise WireError("unknown operation") from None


def parse_reply(data: bytes) -> ReplyMessage:
    """A received reply; raises ``WireError``."""
    status, request_id = _head(data)
    try:
        return ReplyMessage(_STATUSES[status], request_id, data[_HEAD.size :])
    except KeyError:
        raise WireError("unknown status") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_FRAME:
        raise WireError("message too long")
    return data


def _head(data: bytes) -> tuple[int, int]:
    if not _HEAD.size <= len(data) <= MAX_FRAME:
        raise WireError("message of a wrong length")
    first, request_id = _HEAD.unpack_from(data)
    return first, request_id
