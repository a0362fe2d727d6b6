"""A CI issuer over HTTPS, with discovery and keys, that can rotate, fail, hang, lie, redirect, or answer hugely."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.certificates import self_signed
from tests.support.ci_tokens import KeyPair, rsa_pair

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
PATIENCE_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class CiIssuer:
    """A running issuer.

    Attributes:
        url: what its tokens have for ``iss``.
        keys: what it publishes now.
        answers: an answer for a path in the place of the true one: status, header fields, body.
        open: cleared, every request waits until it is set.
        asked: the paths of all requests so far.
    """

    url: str
    ca_file: Path
    keys: list[KeyPair] = field(default_factory=lambda: [rsa_pair()])
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    open: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def discovery(self, **changes: Any) -> bytes:
        """Its discovery document."""
        return json.dumps({"issuer": self.url, "jwks_uri": self.url + KEYS, **changes}).encode()

    def key_set(self) -> bytes:
        """Its keys."""
        return json.dumps({"keys": [pair.jwk for pair in self.keys]}).encode()

    def says(self, path: str, body: bytes, status: int = 200, **fields: str) -> None:
        """Answer so from now on."""
        self.answers[path] = (status, fields, body)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What it answers now."""
        self.asked.append(path)
        self.reached.set()
        assert self.open.wait(PATIENCE_SECONDS)
        true = {DISCOVERY: self.discovery, KEYS: self.key_set}
        if path in self.answers:
            return self.answers[path]
        return (200, {"Content-Type": "application/json"}, true[path]()) if path in true else (404, {}, b"")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: CiIssuer
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), self.tls.wrap_socket(request, server_side=True) as secured:
            self.RequestHandlerClass(secured, client_address, self)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        status, fields, body = self.server.issuer.answer(self.path)
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def running_issuer(directory: Path, *, name: str = "issuer") -> Iterator[CiIssuer]:
    """An issuer on a port of this machine."""
    certificate, private_key = self_signed(directory, name)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(certificate, private_key)
        server.issuer = CiIssuer(url=f"https://localhost:{server.server_port}", ca_file=certificate)
        server.issuer.open.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.issuer
        finally:
            server.issuer.open.set()
            server.shutdown()
            thread.join(PATIENCE_SECONDS)
