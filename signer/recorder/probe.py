"""Asks the recorder whether it answers: for readiness, which may wait, and has no event loop."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from pathlib import Path

from signer.errors import RecorderUnavailable
from signer.recorder.addresses import connected
from signer.recorder.protocol import FrameError, FrameReader, Ping, frame, parsed_answers

RECEIVED_BYTES = 1 << 12
NUMBER_BITS = 32


def ping(path: Path, *, timeout: float) -> None:
    """The recorder that listens at ``path`` answers within ``timeout`` seconds, or ``RecorderUnavailable``.

    It answers between two commits: one that hangs in a commit does not.
    """
    number, deadline = secrets.randbits(NUMBER_BITS), time.monotonic() + timeout
    reader = FrameReader()
    try:
        with closing(connected(path)) as connection:
            connection.settimeout(timeout)
            connection.sendall(frame({"ping": number}))
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                received = connection.recv(RECEIVED_BYTES)
                if Ping(number) in [parsed_answers(body) for body in reader.feed(received)]:
                    return
                if not received:
                    break
    except (OSError, FrameError) as error:
        raise RecorderUnavailable from error
    raise RecorderUnavailable
