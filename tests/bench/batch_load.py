"""A load of batches: clients in threads, each with one kept connection, every item a new one."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median, quantiles

import httpx

from .http_load import Load

_serial = itertools.count()
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """What is sent: ``size`` items named ``part``, each of them ``before``, 64 new hex digits, and ``after``."""

    path: str
    part: str
    size: int
    before: bytes
    after: bytes

    def body(self) -> bytes:
        """A batch that nobody has sent yet."""
        items = (f'{{"{self.part}":"{self._item()}"}}' for _ in range(self.size))
        return b'{"requests":[' + ",".join(items).encode() + b"]}"

    def _item(self) -> str:
        digest = hashlib.sha256(b"%d %d" % (os.getpid(), next(_serial))).hexdigest().encode()
        return base64.b64encode(self.before + digest + self.after).decode()


@dataclass(slots=True)
class _Counted:
    signed: int = 0
    errors: int = 0
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, answer: httpx.Response, size: int, seconds: float) -> None:
        # Counted, not parsed: what reads them is not what is measured.
        signed = answer.content.count(b'{"status":200,"signature":') if answer.status_code == 200 else 0
        with self.lock:
            self.signed += signed
            self.errors += size - signed
            self.seconds.append(seconds)


def batches(opened: Callable[[], httpx.Client], connections: int, seconds: float, asked: Batches) -> Load:
    """Signatures per second, and how long one batch took, in milliseconds."""
    counted, begun = _Counted(), time.monotonic()

    def ask() -> None:
        while time.monotonic() - begun < seconds:
            body = asked.body()
            at = time.monotonic()
            answer = client.post(asked.path, content=body, timeout=TIMEOUT_SECONDS)
            counted.add(answer, asked.size, time.monotonic() - at)

    # A client for each run: one that was kept longer than the service keeps its connections would find them closed.
    with opened() as client:
        threads = [threading.Thread(target=ask) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    elapsed, took = time.monotonic() - begun, [each * 1000 for each in counted.seconds]
    p99 = quantiles(took, n=100)[-1] if len(took) > 1 else took[0]
    return Load(rate=counted.signed / elapsed, p50=median(took), p99=p99, errors=counted.errors)
