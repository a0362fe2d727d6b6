"""nginx with the written configuration, between a service of which only the socket is needed and a server behind it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.hsm.children import wait_until

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came. ``fields``: names in lower case, repeated ones too."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def field(self, name: str) -> str | None:
        """The one field of this name; None without it."""
        found = [value for each, value in self.fields if each == name]
        assert len(found) < 2, found
        return found[0] if found else None


@dataclass
class Answering:
    """What a server answers: a status, fields and a body, by path; and what has come."""

    status: Callable[[str], int] = lambda _: 200
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seen: list[Seen] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, seen: Seen) -> tuple[int, bytes]:
        """Status and body for a request that has come; a status of 204 has no body."""
        status = self.status(seen.target)
        return status, b"" if status == 204 else self.body

    def paths(self) -> list[str]:
        """Of what has come."""
        return [each.target for each in self.seen]

    def wait_for(self, path: str, after: int = 0, seconds: float = 30.0) -> bool:
        """Whether a request for a path that holds ``path`` comes, or has come after the first ``after``."""
        with self.arrived:
            return self.arrived.wait_for(lambda: any(path in each for each in self.paths()[after:]), seconds)


def _handler(answering: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            fields = tuple((name.lower(), value) for name, value in self.headers.items())
            seen = Seen(self.command, self.path, fields, self._body())
            with answering.arrived:
                answering.seen.append(seen)
                answering.arrived.notify_all()
            status, body = answering.answer(seen)
            self.send_response(status)
            for name, value in answering.fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  (http.server's names)

        def address_string(self) -> str:
            return "nginx"

        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

    return Handler


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def answering_server(
    answering: Answering, *, path: Path | None = None, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """It runs, on a port of this machine or on the socket ``path``; the port. ``port`` 0: one that is free."""
    handler = _handler(answering)
    server: _Tcp | _Unix = _Tcp(("127.0.0.1", port), handler) if path is None else _Unix(str(path), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield 0 if path is not None else server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


@contextmanager
def nginx(directory: Path, written: str, port: int, *, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """nginx with a written configuration that listens on ``port``; its files are in ``directory``."""
    if not Path(NGINX).exists():
        pytest.skip("nginx is not installed")
    (directory / "written.conf").write_text(written)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (directory / "nginx.conf").write_text(
        # Its workers drop to another user where it is root, who may not open the socket.
        ("user root;\n" if os.getuid() == 0 else "")
        + "".join(f"env {name};\n" for name in environment or {})
        + f"daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;\nevents {{}}\n"
        + "http {\n    access_log off;\n"
        + "".join(f"    {kind}_temp_path {directory}/{kind};\n" for kind in kinds)
        + "    include written.conf;\n}\n"
    )
    process = subprocess.Popen(
        [NGINX, "-c", directory / "nginx.conf", "-e", directory / "start.log"],
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (directory / "start.log").read_text() + (directory / "error.log").read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
