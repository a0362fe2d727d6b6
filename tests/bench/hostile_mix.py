"""Clients that cost others their turn, if a service lets them: idle ones, slow ones, and ones that never finish TLS.

`python -m tests.bench.hostile_mix PORT CERTIFICATE IDLE SLOW HALF_SHAKEN` says "ready" when all are connected, keeps
them so (what the service closes is opened again) until its input ends, and then says how many there were at the least,
and how many were opened again.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

CONNECT_SECONDS = 30.0
AGAIN_SECONDS = 0.2
LOOK_SECONDS = 0.25
DRIP_SECONDS = 1.0
# Handshakes at one time: a crowd that arrives all at once is another matter.
OPENING = 8
# A record of type "handshake" that announces 512 bytes and brings none.
HALF_HELLO = b"\x16\x03\x01\x02\x00"
IDLE_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "


class Kind(StrEnum):
    """What a client does, or rather does not."""

    IDLE = "idle"
    SLOW = "slow"
    HALF_SHAKEN = "half-shaken"


# The mix that the service is to bear.
MIX = {Kind.IDLE: 500, Kind.SLOW: 50, Kind.HALF_SHAKEN: 20}


@dataclass(slots=True)
class Mix:
    """The clients of one run."""

    port: int
    tls: ssl.SSLContext
    held: Counter[Kind] = field(default_factory=Counter)
    opened: Counter[Kind] = field(default_factory=Counter)
    opening: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OPENING))

    async def client(self, kind: Kind) -> None:
        """One client, connected again whenever it is thrown out."""
        while True:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                await self._once(kind)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _once(self, kind: Kind) -> None:
        tls = None if kind is Kind.HALF_SHAKEN else self.tls
        async with self.opening, asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
            if kind is Kind.IDLE:
                writer.write(IDLE_REQUEST)
                await reader.readuntil(b"}")
        self.held[kind] += 1
        self.opened[kind] += 1
        try:
            await self._hold(kind, reader, writer)
        finally:
            self.held[kind] -= 1
            writer.transport.abort()

    @staticmethod
    async def _hold(kind: Kind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match kind:
            case Kind.IDLE:
                await reader.read()
            case Kind.HALF_SHAKEN:
                writer.write(HALF_HELLO)
                await reader.read()
            case Kind.SLOW:
                for octet in SLOW_REQUEST * 100:
                    writer.write(bytes([octet]))
                    await asyncio.sleep(DRIP_SECONDS)
                    if reader.at_eof() or writer.is_closing():
                        return


async def _main(port: int, certificate: str, counts: dict[Kind, int]) -> None:
    mix = Mix(port, ssl.create_default_context(cafile=certificate))
    clients = [asyncio.create_task(mix.client(kind)) for kind, count in counts.items() for _ in range(count)]
    while any(mix.held[kind] < count for kind, count in counts.items()):
        await asyncio.sleep(LOOK_SECONDS)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.run_in_executor(None, sys.stdin.buffer.read)
    least, before = dict(mix.held), Counter(mix.opened)
    while not ended.done():
        await asyncio.sleep(LOOK_SECONDS)
        least = {kind: min(count, mix.held[kind]) for kind, count in least.items()}
    for task in clients:
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    again = {kind: mix.opened[kind] - before[kind] for kind in counts}
    print("; ".join(f"{least[kind]} {kind}, {again[kind]} opened again" for kind in counts))


@contextmanager
def hostile_mix(port: int, certificate: str, counts: dict[Kind, int], told: list[str]) -> Iterator[None]:
    """The clients, in a process of their own, while the block runs; what they say at the end is added to ``told``."""
    numbers = [str(counts[kind]) for kind in Kind]
    command = [sys.executable, "-m", "tests.bench.hostile_mix", str(port), certificate, *numbers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.stdin.close()
            told.append(process.stdout.read().strip())


if __name__ == "__main__":
    given = dict(zip(Kind, map(int, sys.argv[3:]), strict=True))
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], given))
