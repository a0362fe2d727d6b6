"""Asks the recorder about itself, for those who may wait, without an event loop.

Whether it can do what a signature needs is for readiness; what its work has cost is for the metrics.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from signer.domain.recorder_figures import RecorderFigures
from signer.errors import RecorderUnavailable
from signer.recorder.addresses import connected
from signer.recorder.protocol import FrameError, FrameReader, Proved, Told, frame, parsed_answers

Found = TypeVar("Found", Proved, Told)

RECEIVED_BYTES = 1 << 12
NUMBER_BITS = 32


def prove(path: Path, *, timeout: float) -> None:
    """The recorder that listens at ``path`` says within ``timeout`` seconds that records become durable.

    It writes a row and no leaf, and has the present checkpoint signed and written once more. Raises
    ``RecorderUnavailable`` where it does not answer, or what stands in its way.
    """
    proved = _asked(path, "prove", Proved, timeout)
    if proved.failure is not None:
        raise proved.failure


def figures(path: Path, *, timeout: float) -> RecorderFigures:
    """What the work of the recorder that listens at ``path`` has cost; raises ``RecorderUnavailable``."""
    return _asked(path, "tell", Told, timeout).figures


def _asked(path: Path, question: str, kind: type[Found], timeout: float) -> Found:
    number, deadline = secrets.randbits(NUMBER_BITS), time.monotonic() + timeout
    try:
        found = _answer(
            path, frame({question: number}), lambda said: isinstance(said, kind) and said.number == number, deadline
        )
    except (OSError, FrameError) as error:
        raise RecorderUnavailable from error
    if not isinstance(found, kind):
        raise RecorderUnavailable
    return found


def _answer(path: Path, question: bytes, wanted: Callable[[object], bool], deadline: float) -> object:
    reader = FrameReader()
    with closing(connected(path)) as connection:
        connection.settimeout(deadline - time.monotonic())
        connection.sendall(question)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            received = connection.recv(RECEIVED_BYTES)
            for said in map(parsed_answers, reader.feed(received)):
                if wanted(said):
                    return said
            if not received:
                break
    return None
