"""Runs the service under gunicorn: workers that each own their token processes, TLS, and a graceful stop."""

from __future__ import annotations

import logging
import math
import ssl
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from signer.bootstrap import Runtime
from signer.config import ServerSettings, Settings, Tls
from signer.errors import ConfigurationInvalid
from signer.logs import configure_logging
from signer.storage.database import Database
from signer.token import with_sealed_pins
from signer.web.worker import DeadlineSocket, DeadlineTlsSocket, LineLogger, Worker
from signer.wsgi import web_application

logger = logging.getLogger("artifact-signer.server")

KEEP_ALIVE_SECONDS = 15
HEADER_FIELDS = 64
HEADER_FIELD_BYTES = 8190
# Owner and group may connect (mode 0660), whatever the umask of whoever starts the service.
SOCKET_UMASK = 0o117


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn, configured from the settings alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Before gunicorn reads its configuration: it would tell of an error in its own way.
        self.tls = tls_context(settings.server) if settings.server.tls is Tls.ON else None
        self.runtime: Runtime | None = None
        super().__init__()

    def load_config(self) -> None:
        """Every setting of gunicorn that matters here; its own configuration files are not read."""
        server = self.settings.server
        options: dict[str, Any] = {
            "bind": server.bind,
            "workers": server.workers,
            "threads": server.threads,
            "worker_class": Worker,
            "logger_class": LineLogger,
            "http_parser": "fast",
            "keepalive": KEEP_ALIVE_SECONDS,
            # gunicorn counts whole seconds, and would stop at once for less than one.
            "graceful_timeout": math.ceil(server.graceful_timeout),
            "limit_request_fields": HEADER_FIELDS,
            "limit_request_field_size": HEADER_FIELD_BYTES,
            "proc_name": "artifact-signer",
            "control_socket_disable": True,
            # Behind a proxy the client's address is the proxy's: no header may say otherwise.
            "forwarded_allow_ips": "",
            "worker_exit": self._close_runtime,
        }
        if server.unix_socket is not None:
            options["umask"] = SOCKET_UMASK
        if self.tls is not None:
            self._reload_certificate()
            options |= {
                "certfile": str(server.certificate),
                "keyfile": str(server.private_key),
                "do_handshake_on_connect": False,
                "ssl_context": lambda _config, _default: self.tls,
            }
        for name, value in options.items():
            self.cfg.set(name, value)

    def _reload_certificate(self) -> None:
        """After SIGHUP gunicorn comes here again: a renewed certificate is taken, a broken one is not."""
        try:
            self.tls = tls_context(self.settings.server)
        except ConfigurationInvalid as error:
            logger.error("the certificate stays as it was: %s", "; ".join(error.problems))  # noqa: TRY400

    def load(self) -> Any:
        """Called in each worker after the fork: the application, with its tokens starting."""
        self.runtime = Runtime(self.settings)
        self.runtime.start()
        return web_application(self.runtime)

    def _close_runtime(self, _arbiter: Any, _worker: Any) -> None:
        if self.runtime is not None:
            self.runtime.close()


def tls_context(server: ServerSettings) -> ssl.SSLContext:
    """TLS 1.2 or later with the configured certificate; one context serves all connections of a worker."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = DeadlineTlsSocket
    try:
        context.load_cert_chain(server.certificate, server.private_key)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "the two do not belong together or are not PEM"
        raise ConfigurationInvalid(
            path=str(server.certificate),
            problems=(f"certificate and private key cannot be used: {reason}",),
        ) from error
    return context


def serve(settings: Settings) -> None:
    """Run until a signal ends it. Raises a ``SignerError`` where it cannot start."""
    configure_logging(settings.logging)
    DeadlineSocket.deadline = DeadlineTlsSocket.deadline = settings.server.read_timeout
    _check_database(settings)
    settings.spool.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.server.unix_socket is not None:
        Path(settings.server.unix_socket).parent.mkdir(parents=True, exist_ok=True)
    scheme = "https" if settings.server.tls is Tls.ON else "http"
    logger.info("serving %s on %s", scheme, settings.server.bind)
    Server(with_sealed_pins(settings)).run()


def _check_database(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        database.check_revision()
    finally:
        # Nothing opened before the fork may be used after it.
        database.close()
