"""Load over HTTP: `wrk` for TLS, a small generator of our own for Unix sockets; every request is a new one."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DIGEST_LETTERS = 64
RANDOM_BYTES = 12
CLIENT_SECONDS = 60.0
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_LOST = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a run found: requests per second, milliseconds, and how many were not answered with 2xx."""

    rate: float
    p50: float
    p99: float
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A request to be sent again and again. Between ``before`` and ``after`` comes a digest that nobody has seen."""

    path: str
    api_token: str
    before: bytes = b""
    after: bytes = b""


def wrk(url: str, connections: int, seconds: float, folder: Path, post: Post | None = None) -> Load:
    """``wrk`` with one thread; GET without a ``post``."""
    script = ["-s", str(_script(folder, post))] if post is not None else []
    path = post.path if post is not None else "/"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", *script, url + path]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=CLIENT_SECONDS + seconds).stdout
    rate = _RATE.search(said)
    times = {name: float(value) * _MILLISECONDS[unit] for name, value, unit in _PERCENTILE.findall(said)}
    refused, lost = _REFUSED.search(said), _LOST.search(said)
    errors = int(refused[1]) if refused else 0
    errors += sum(int(part) for part in lost.groups()) if lost else 0
    return Load(rate=float(rate[1]) if rate else 0.0, p50=times.get("50", 0.0), p99=times.get("99", 0.0), errors=errors)


def _script(folder: Path, post: Post) -> Path:
    """Lua for ``wrk``: bodies that differ from each other, in this run and from any other."""
    (folder / "before").write_bytes(post.before)
    (folder / "after").write_bytes(post.after)
    letters = DIGEST_LETTERS - 2 * RANDOM_BYTES
    path = folder / "post.lua"
    path.write_text(
        f"""local n = 0
local function all(name) local f = io.open("{folder}/" .. name, "rb"); local s = f:read("*a"); f:close(); return s end
local before, after = all("before"), all("after")
local fields = {{["Authorization"] = "Bearer {post.api_token}", ["Accept"] = "text/plain"}}
request = function()
  n = n + 1
  local digest = string.format("{os.urandom(RANDOM_BYTES).hex()}%0{letters}x", n)
  return wrk.format("POST", nil, fields, before .. digest .. after)
end
""",
        encoding="utf-8",
    )
    return path


def unix(socket: Path, connections: int, seconds: float, post: Post) -> Load:
    """The same over a Unix socket, from a process of its own."""
    program = [sys.executable, "-m", "tests.bench.http_load", str(socket), str(connections), str(seconds)]
    parts = (post.path.encode(), post.api_token.encode(), post.before.hex().encode(), post.after.hex().encode())
    limit = CLIENT_SECONDS + seconds
    said = subprocess.run(program, input=b"\0".join(parts), capture_output=True, check=True, timeout=limit).stdout
    rate, p50, p99, errors = said.split()
    return Load(rate=float(rate), p50=float(p50), p99=float(p99), errors=int(errors))


def _requests(post: Post) -> Callable[[], bytes]:
    def bodies() -> Iterator[bytes]:
        start, number = os.urandom(RANDOM_BYTES).hex(), 0
        while True:
            number += 1
            yield post.before + f"{start}{number:0{DIGEST_LETTERS - 2 * RANDOM_BYTES}x}".encode() + post.after

    found = bodies()
    fields = f"POST {post.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {post.api_token}\r\nAccept: text/plain\r\n"

    def request() -> bytes:
        body = next(found)
        return f"{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return request


async def _client(path: str, until: float, request: Callable[[], bytes], times: list[float], errors: list[int]) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    while (begun := time.perf_counter()) < until:
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        times.append(time.perf_counter() - begun)
        errors[0] += not head.startswith(b"HTTP/1.1 2")
    writer.close()


async def _main(path: str, connections: int, seconds: float) -> None:
    given = sys.stdin.buffer.read().split(b"\0")
    post = Post(
        path=given[0].decode(),
        api_token=given[1].decode(),
        before=bytes.fromhex(given[2].decode()),
        after=bytes.fromhex(given[3].decode()),
    )
    times: list[float] = []
    errors = [0]
    until = time.perf_counter() + seconds
    request = _requests(post)
    await asyncio.gather(*(_client(path, until, request, times, errors) for _ in range(connections)))
    cuts = statistics.quantiles(times, n=100)
    print(len(times) / seconds, cuts[49] * 1000, cuts[98] * 1000, errors[0])


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
