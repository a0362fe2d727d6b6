"""Bundles looked at in processes side by side, their facts given back in order.

A process needs the public keys that earlier bundles pin. They stand in a file that only grows: each job says how much
of it counts, so no list of keys goes with every bundle.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from types import TracebackType

from signer.errors import LogCheckInterrupted
from signer.log.bundle import BundleFacts, Rows, look_at
from signer.log.levels import tile_root
from signer.log.pinned import Pin, SignatureKey, Version
from verifier.log.tiles import TILE_WIDTH

# A process takes about as long to start as these take to be looked at.
ALONE_BUNDLES = 8
WAITING_PER_PROCESS = 3


@dataclass(frozen=True, slots=True)
class Looked:
    """A bundle, and what was found in it. ``root``: of its tile."""

    number: int
    width: int
    facts: BundleFacts
    root: bytes


@dataclass(slots=True)
class _KnownKeys:
    """The keys of the file, as far as they were read."""

    read: int = 0
    keys: dict[Version, SignatureKey] = field(default_factory=dict)

    def up_to(self, path: str, size: int) -> dict[Version, SignatureKey]:
        if size > self.read:
            with open(path, "rb") as file:  # noqa: PTH123  (a path would be made for each bundle)
                file.seek(self.read)
                lines = file.read(size - self.read).splitlines()
            for key, version, spki in map(json.loads, lines):
                self.keys[key, version] = SignatureKey(bytes.fromhex(spki))
            self.read = size
        return self.keys


_known = _KnownKeys()


@dataclass(frozen=True, slots=True)
class Job:
    """A bundle to be looked at. ``rows``: what a database has beside its leaves, where it is one."""

    number: int
    width: int
    bundle: bytes
    rows: Rows = None

    def look(self, keys: Mapping[Version, SignatureKey]) -> Looked:
        """What is found in it, with the root over its leaves."""
        facts = look_at(self.number * TILE_WIDTH, self.width, self.bundle, keys, self.rows)
        return Looked(self.number, self.width, facts, tile_root(facts.hashes))


def _look(job: Job, path: str, size: int) -> Looked:
    """In a process of the crowd."""
    return job.look(_known.up_to(path, size))


class Crowd:
    """So many processes; none where there is little to do. Use as a context manager."""

    def __init__(self, bundles: int, *, processes: int | None = None) -> None:
        self._processes = (processes or os.cpu_count() or 1) if bundles > ALONE_BUNDLES else 0
        self._jobs: deque[Future[Looked]] = deque()
        self._keys: dict[Version, SignatureKey] = {}

    def __enter__(self) -> Crowd:
        self._file = tempfile.NamedTemporaryFile(prefix="keys-")
        # Not a copy of this process: it may have threads, and connections of its own.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._processes, context) if self._processes else None
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._file.close()

    def pin(self, pin: Pin) -> SignatureKey | None:
        """Known from here on; None where the pin does not hold the key."""
        if pin.spki is None or pin.version in self._keys:
            return self._keys.get(pin.version)
        key = self._keys[pin.version] = SignatureKey(pin.spki)
        self._file.write(json.dumps([*pin.version, pin.spki.hex()]).encode() + b"\n")
        self._file.flush()
        return key

    def look(self, job: Job) -> Iterator[Looked]:
        """Take a bundle; gives back those that are due, in order."""
        if self._pool is None:
            yield job.look(self._keys)
            return
        try:
            self._jobs.append(self._pool.submit(_look, job, self._file.name, self._file.tell()))
        except BrokenProcessPool as error:
            raise LogCheckInterrupted from error
        while len(self._jobs) > self._processes * WAITING_PER_PROCESS:
            yield self._next()

    def rest(self) -> Iterator[Looked]:
        """All that are not given back yet."""
        while self._jobs:
            yield self._next()

    def _next(self) -> Looked:
        try:
            return self._jobs.popleft().result()
        except BrokenProcessPool as error:
            raise LogCheckInterrupted from error
