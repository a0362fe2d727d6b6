"""Asks the recorder whether it can do what a signature needs: for readiness, which may wait, without an event loop."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from pathlib import Path

from signer.errors import RecorderUnavailable
from signer.recorder.addresses import connected
from signer.recorder.protocol import FrameError, FrameReader, Proved, frame, parsed_answers

RECEIVED_BYTES = 1 << 12
NUMBER_BITS = 32


def prove(path: Path, *, timeout: float) -> None:
    """The recorder that listens at ``path`` says within ``timeout`` seconds that records become durable.

    It writes a row and no leaf, and has the present checkpoint signed and written once more. Raises
    ``RecorderUnavailable`` where it does not answer, or what stands in its way.
    """
    number, deadline = secrets.randbits(NUMBER_BITS), time.monotonic() + timeout
    try:
        proved = _proved(path, number, deadline)
    except (OSError, FrameError) as error:
        raise RecorderUnavailable from error
    if proved is None:
        raise RecorderUnavailable
    if proved.failure is not None:
        raise proved.failure


def _proved(path: Path, number: int, deadline: float) -> Proved | None:
    reader = FrameReader()
    with closing(connected(path)) as connection:
        connection.settimeout(deadline - time.monotonic())
        connection.sendall(frame({"prove": number}))
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            received = connection.recv(RECEIVED_BYTES)
            for body in reader.feed(received):
                answer = parsed_answers(body)
                if isinstance(answer, Proved) and answer.number == number:
                    return answer
            if not received:
                break
    return None
