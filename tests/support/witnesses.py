"""Real witnesses: processes of the command, on a port that they choose."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.made_logs import ORIGIN
from verifier.log import VerifierKey

PATIENCE_SECONDS = 30.0
_ADDRESS = re.compile(r"(https?)://(127\.0\.0\.1):(\d+)")


@dataclass(slots=True, kw_only=True)
class RunningWitness:
    """One process, its verifier key and its address."""

    process: subprocess.Popen[str]
    key: VerifierKey
    url: str
    port: int

    def kill(self) -> None:
        """As a power failure would."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def add(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to a request."""
        return self.ask(head("POST", "/add-checkpoint", body) + body)

    def latest(self, origin: str = ORIGIN) -> tuple[int, bytes]:
        """The checkpoint that it signed last."""
        return self.ask(head("GET", f"/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint"))

    def ask(self, sent: bytes) -> tuple[int, bytes]:
        """Status and body of the answer to these bytes; raises ``OSError`` where none comes."""
        answer = self.raw(sent)
        start, blank, body = answer.partition(b"\r\n\r\n")
        if not blank:
            raise ConnectionResetError
        return int(start.split()[1]), body

    def raw(self, sent: bytes) -> bytes:
        """All that is answered."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def head(method: str, target: str, body: bytes = b"") -> bytes:
    """The head of a request."""
    return f"{method} {target} HTTP/1.1\r\nHost: w.example\r\nContent-Length: {len(body)}\r\n\r\n".encode()


def command(directory: Path, *keys: VerifierKey, listen: str = "127.0.0.1:0", more: tuple[str, ...] = ()) -> list[str]:
    """The command of a witness whose files are in this directory."""
    files = ["--state", str(directory / "state"), "--key", str(directory / "key"), "--listen", listen]
    watched = [part for key in keys for part in ("--log-key", str(key))]
    return [sys.executable, "-m", "signer", "log", "witness", *files, *watched, *more]


@contextmanager
def running_witness(
    directory: Path, *keys: VerifierKey, listen: str = "127.0.0.1:0", more: tuple[str, ...] = ()
) -> Iterator[RunningWitness]:
    """A witness of these logs."""
    process = subprocess.Popen(
        command(directory, *keys, listen=listen, more=more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        told = process.stdout.readline() + process.stderr.readline()
        address = _ADDRESS.search(told)
        assert address is not None, told + process.stderr.read()
        key = VerifierKey.parse(told.partition("\n")[0])
        yield RunningWitness(process=process, key=key, url=address[0], port=int(address[3]))
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()
        process.stderr.close()
