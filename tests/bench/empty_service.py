"""An empty Flask route behind the service's own worker, bridge and TLS: what requests cost that do nothing.

`python -m tests.bench.empty_service CONFIG`
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask

from signer.config import load_settings
from signer.logs import configure_logging
from signer.server import Server
from signer.server_settings import ServerSettings
from signer.web.front.bridge import Bridge
from signer.web.front.deadline import Deadlines
from signer.web.front.messages import Receive, Request, Send
from signer.web.front.peers import Peers
from signer.web.front.rooms import Rooms
from tests.integration import running


class EmptyApplication:
    """Hands every request to a Flask application with one route."""

    def __init__(self, server: ServerSettings) -> None:
        flask = Flask("empty")
        flask.add_url_rule("/", view_func=lambda: "")
        self._bridge = Bridge(flask)
        self._deadlines = Deadlines(server.request_timeout)
        self._rooms = Rooms(threads=server.threads, timeout=server.request_timeout)

    async def startup(self) -> None:
        """Nothing to start."""

    async def shutdown(self) -> None:
        """Nothing to end."""

    def observe(self, connections: int) -> None:
        """Nothing is counted."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer."""
        request = Request(scope, receive, Peers().of(scope), self._deadlines.one())
        answer = await self._rooms.requests.run(self._bridge.call, request, b"")
        await answer.send(send, request.request_id)


class EmptyServer(Server):
    """The server with that application in each worker."""

    def load(self) -> Any:
        """No token, no database."""
        return EmptyApplication(self.settings.server)


@contextmanager
def serving(installation: running.Installation) -> Iterator[None]:
    """Served from its configuration, in processes of its own."""
    command = [sys.executable, "-m", "tests.bench.empty_service", str(installation.config)]
    with installation.log.open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        running.wait_until(installation, "/", 200, process)
        yield
    finally:
        running.stop(process)


if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), os.environ)
    configure_logging(settings.logging)
    EmptyServer(settings, descriptors=1024).run()
