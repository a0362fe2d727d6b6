"""The ASGI application of one worker process, built after the fork."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, MutableMapping
from typing import Any

from signer.dialect_settings import DialectSettings
from signer.runtime import Runtime
from signer.server_settings import ServerSettings
from signer.web.app import create_app
from signer.web.dialect_paths import DialectPaths
from signer.web.front.application import Front
from signer.web.front.bridge import Bridge
from signer.web.front.messages import Receive, Send
from signer.web.front.metrics import Metrics
from signer.web.front.rooms import Rooms


class WebApplication:
    """The front over a runtime's services, with its threads."""

    def __init__(self, runtime: Runtime, server: ServerSettings, dialects: DialectSettings) -> None:
        self._runtime = runtime
        self._rooms = Rooms(threads=server.threads, timeout=server.request_timeout)
        bridge = Bridge(create_app(runtime.application))
        self._metrics = Metrics(
            runtime.stages,
            recorder=runtime.recorder_figures,
            certificates=runtime.application.administration.device_certificates.ending,
        )
        self._front = Front(
            runtime.application,
            timeout=server.request_timeout,
            rooms=self._rooms,
            bridge=bridge,
            metrics=self._metrics,
            listed=server.metrics_networks,
            proxies=server.proxy_networks,
            tellers=server.certificate_header_networks,
            dialects=DialectPaths(mounts=dialects.vault.mounts, signserver=dialects.signserver.enabled),
        )

    async def startup(self) -> None:
        """On the worker's loop, before the first connection."""
        self._runtime.join(asyncio.get_running_loop())

    async def shutdown(self) -> None:
        """After the last one."""
        self._runtime.leave()
        self._rooms.close()

    def observe(self, connections: int) -> None:
        """To be called about once a second: writes down the metrics."""
        self._metrics.observe(connections, self._runtime.health(), self._runtime.application.ci.keys())
        self._metrics.certificates(self._runtime.certificate_watch.ends)
        self._metrics.issued(self._runtime.application.token_issuer.issued)
        self._metrics.spent(self._runtime.token_seconds())

    def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        return self._front(scope, receive, send)


def web_application(runtime: Runtime, server: ServerSettings, dialects: DialectSettings) -> WebApplication:
    """The routes over a runtime's services."""
    return WebApplication(runtime, server, dialects)
