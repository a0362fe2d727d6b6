"""Rates with and without hostile clients, in pairs: what the machine does otherwise disturbs both of a pair alike."""

from __future__ import annotations

import http.client
import ssl
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.integration.running import Installation

from .hostile_mix import MIX, hostile_mix
from .http_load import Load, Post, wrk

PROBE_SECONDS = 0.25
PROBE_DEADLINE = 30.0
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One round: the load without and with them; of each the slowest probe, in seconds, and what a signature cost.

    The cost is that of all processes of the service, in processor microseconds.
    """

    calm: Load
    mixed: Load
    calm_probe: float
    mixed_probe: float
    calm_cost: float
    mixed_cost: float

    @property
    def ratio(self) -> float:
        """What is left of the rate."""
        return self.mixed.rate / self.calm.rate


class Prober:
    """Asks for the health of the service again and again, each time by a new connection."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._tls = installation.tls()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.times: list[float] = []

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PROBE_SECONDS):
            begun = time.monotonic()
            try:
                _probe(self._installation.port, self._tls)
                self.times.append(time.monotonic() - begun)
            except OSError:
                self.times.append(PROBE_DEADLINE)


def _probe(port: int, tls: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PROBE_DEADLINE, context=tls)
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    connection.close()


def compare(
    installation: Installation,
    folder: Path,
    post: Post,
    *,
    spent: Callable[[], float],
    connections: int,
    seconds: float,
    rounds: int,
) -> tuple[list[Pair], list[str]]:
    """Rounds, each in another order than the one before; and what the hostile clients said of themselves."""
    told: list[str] = []

    @contextmanager
    def mix() -> Iterator[None]:
        with hostile_mix(installation.port, str(installation.directory / "cert.crt"), MIX, told):
            yield

    def measured(*, hostile: bool) -> tuple[Load, float, float]:
        with mix() if hostile else nullcontext(), Prober(installation) as prober:
            before = spent()
            load = wrk(installation.url, connections, seconds, folder, post)
            cost = (spent() - before) / max(load.rate * seconds, 1) * MICROSECONDS
        return load, max(prober.times, default=0.0), cost

    pairs = []
    for turn in range(rounds):
        first = measured(hostile=turn % 2 == 1)
        second = measured(hostile=turn % 2 == 0)
        calm, mixed = (first, second) if turn % 2 == 0 else (second, first)
        pairs.append(
            Pair(
                calm=calm[0],
                mixed=mixed[0],
                calm_probe=calm[1],
                mixed_probe=mixed[1],
                calm_cost=calm[2],
                mixed_cost=mixed[2],
            )
        )
    return pairs, told


def report(connections: int, pairs: list[Pair], told: list[str]) -> None:
    """Print a line for the pairs, and one for each crowd."""
    ratios = sorted(pair.ratio for pair in pairs)
    print(
        f"{connections} connections: {statistics.median(pair.calm.rate for pair in pairs):.0f}/s without, "
        f"{statistics.median(pair.mixed.rate for pair in pairs):.0f}/s with; ratio {statistics.median(ratios):.2f} "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}) in {len(pairs)} pairs; processor µs for a signature "
        f"{statistics.median(pair.calm_cost for pair in pairs):.0f} without, "
        f"{statistics.median(pair.mixed_cost for pair in pairs):.0f} with; slowest probe "
        f"{max(pair.calm_probe for pair in pairs):.2f} s without, "
        f"{max(pair.mixed_probe for pair in pairs):.2f} s with; "
        f"errors {sum(pair.calm.errors for pair in pairs)} and {sum(pair.mixed.errors for pair in pairs)}",
        flush=True,
    )
    for line, times in Counter(told).items():
        print(f"    held at the least, {times} times: {line}", flush=True)
