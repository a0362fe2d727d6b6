"""What GitHub Actions asks tokens from, on a port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@contextmanager
def actions(answer: tuple[int, bytes], failures: int = 0) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What GitHub Actions asks a token from: its URL, and the audiences and credentials that it was asked with."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (audience,) = parse_qs(urlsplit(self.path).query)["audience"]
            asked.append((audience, self.headers["Authorization"]))
            status, body = (500, b"") if len(asked) <= failures else answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token?api-version=2", asked
        finally:
            server.shutdown()
            thread.join(60)
