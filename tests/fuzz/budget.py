"""What one input may cost: processor time by its length, and memory."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

MEBIBYTE = 1 << 20
SECONDS = 2.0
"""For an input of any length, on an instrumented verifier: many times what the dearest one known takes."""
SECONDS_PER_MEBIBYTE = 8.0
MEMORY_BYTES = 128 * MEBIBYTE
"""Beyond what the process ever held before: an xz dictionary is 64 MiB, and chunks are few."""


class TooDear(AssertionError):
    """An input cost more than its length allows."""


@contextmanager
def budget(length: int) -> Iterator[None]:
    """Holds what is done inside to what `length` bytes may cost; raises `TooDear`."""
    held, start = _most_memory(), time.thread_time()
    yield
    seconds, memory = time.thread_time() - start, _most_memory() - held
    if seconds > SECONDS + SECONDS_PER_MEBIBYTE * length / MEBIBYTE:
        raise TooDear(f"{length} bytes took {seconds:.1f} s of the processor")
    if memory > MEMORY_BYTES:
        raise TooDear(f"{length} bytes took {memory // MEBIBYTE} MiB")


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
