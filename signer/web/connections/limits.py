"""What a connection may cost a worker, in seconds, bytes and bytes per second."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass

from signer.web.connections.register import Phase

# Half-closed or refused connections: how long and how much is still read, so that the client gets its answer.
LINGER_SECONDS = 10.0
LINGER_BYTES = 256 << 20
# What is under way for a client that has left: how long it has to end by itself.
GRACE_SECONDS = 3.0
# Descriptors that are not connections: listeners, database, token processes, logs.
RESERVED_DESCRIPTORS = 128
# A connection and the spooled file of its request.
DESCRIPTORS_PER_CONNECTION = 2
MOST_CONNECTIONS = 4096
FEWEST_CONNECTIONS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The bounds of one worker's connections."""

    connections: int
    handshake_timeout: float
    head_timeout: float
    read_timeout: float
    keep_alive: float
    body_rate: int

    @property
    def phases(self) -> Mapping[Phase, float]:
        """How many seconds each phase may last; transports end handshakes, and the front requests."""
        return {
            Phase.HELLO: self.handshake_timeout,
            Phase.HEAD: self.head_timeout,
            Phase.WRITING: self.read_timeout,
            Phase.IDLE: self.keep_alive,
            Phase.LINGERING: LINGER_SECONDS,
            Phase.CLOSING: self.read_timeout,
        }


def most_connections(*, descriptors: int, wanted: int | None) -> int:
    """How many connections a worker takes that may open ``descriptors`` files; ``wanted``: no more than these."""
    possible = (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION
    return max(FEWEST_CONNECTIONS, min(possible, wanted or MOST_CONNECTIONS))


def raise_descriptor_limit() -> int:
    """Let this process and its children open as many files as they may at all; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
