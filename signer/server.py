"""Runs the service under gunicorn: its listeners, workers that each own their token processes, TLS, a graceful stop."""

from __future__ import annotations

import logging
import math
import os
import socket
import ssl
import threading
from collections.abc import Collection
from importlib import import_module
from signal import SIGHUP
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from signer.bootstrap import utc_now
from signer.config import Settings
from signer.domain.client_certificates import ClientCa
from signer.domain.credentials import PeerKind
from signer.errors import ClientCaUnusable, ConfigurationInvalid, LogMissing, SignerError
from signer.logs import configure_logging
from signer.recorder.setup import Setup
from signer.recorder.supervision import RecorderSupervisor
from signer.runtime import Runtime
from signer.server_settings import MAX_SOCKET_PATH_BYTES, ServerSettings, Tls
from signer.services.last_fault import LastFault
from signer.shown_certificate import shown_certificate
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.log_reader import SqlLogReader
from signer.storage.server_certificate_store import SqlServerCertificates
from signer.tls import ShownCertificate, client_cas, tls_context
from signer.token import with_sealed_pins
from signer.web import metrics_folder
from signer.web.connections.limits import ConnectionLimits, most_connections, raise_descriptor_limit
from signer.web.connections.shares import Shares
from signer.web.worker import LineLogger, Worker

logger = logging.getLogger("artifact-signer.server")

# Owner and group may connect (mode 0660), whatever the umask of whoever starts the service.
SOCKET_UMASK = 0o117
# A worker that is being replaced sits beside its successor for a moment.
SPARE_SEATS = 2
# Under the spool directory.
METRICS_FOLDER = "metrics"
# What a recorder without workers may still take for its last commit, at a stop.
RECORDER_SECONDS = 5.0


class ServiceArbiter(Arbiter):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's arbiter, with a recorder beside the workers and the signals that this service has a meaning for."""

    def start(self) -> None:
        """Take the installation before anything of it is touched, and have the recorder there before the workers."""
        self.app.recorder.start()
        # Not before: they are those of the service that runs, where one does.
        metrics_folder.empty()
        super().start()

    def reap_workers(self) -> None:
        """Called when a child has ended, and all the time during a stop."""
        super().reap_workers()
        self.app.recorder.look()

    def manage_workers(self) -> None:
        """Called about once a second."""
        self.app.recorder.look()
        super().manage_workers()

    def stop(self, graceful: bool = True) -> None:
        """Stop the workers, and when they are gone the recorder."""
        super().stop(graceful)
        self.app.recorder.close(wait=RECORDER_SECONDS)

    def handle_hup(self) -> None:
        """A renewed certificate and client CAs, for all workers; a broken one is refused here and reaches none."""
        server: Server = self.app
        if server.tls is None and not server.settings.client_ca:
            logger.info("SIGHUP does nothing: there is no certificate to read again")
        elif server.renew_certificate():
            self.kill_workers(SIGHUP)

    def handle_usr1(self) -> None:
        """There are no log files to open again."""

    def handle_usr2(self) -> None:
        """A second arbiter on the same port would answer beside this one."""
        logger.info("SIGUSR2 does nothing here")

    def handle_ttin(self) -> None:
        """The number of workers is a setting."""
        logger.info("SIGTTIN does nothing here")

    def handle_ttou(self) -> None:
        """The number of workers is a setting."""
        logger.info("SIGTTOU does nothing here")


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn, configured from the settings alone."""

    def __init__(self, settings: Settings, *, descriptors: int, hidden: Collection[str] = ()) -> None:
        self.settings = settings
        # Before gunicorn reads its configuration: it would tell of an error in its own way.
        self.client_cas = client_cas(settings.client_ca)
        self._renewing = threading.Lock()
        self.tls = self._tls_context(self.client_cas)
        self.limits = connection_limits(settings.server, descriptors=descriptors)
        self.shares = Shares(settings.server.workers + SPARE_SEATS)
        self.last_fault = LastFault()
        self.recorder = recorder_supervisor(settings, hidden=hidden)
        self.runtime: Runtime | None = None
        super().__init__()

    def load_config(self) -> None:
        """Every setting of gunicorn that matters here; its own configuration files are not read."""
        server = self.settings.server
        options: dict[str, Any] = {
            "bind": [server.bind, *self._gateway],
            "workers": server.workers,
            "worker_class": Worker,
            "logger_class": LineLogger,
            "asgi_lifespan": "off",
            # gunicorn counts whole seconds, and would stop at once for less than one.
            "graceful_timeout": math.ceil(server.graceful_timeout),
            "proc_name": "artifact-signer",
            "control_socket_disable": True,
            "pre_fork": self._seat,
            "child_exit": self._free_seat,
            "worker_exit": self._close_runtime,
        }
        if server.unix_socket is not None or server.gateway_socket is not None:
            options["umask"] = SOCKET_UMASK
        if self.tls is not None:
            options |= {"certfile": str(server.certificate), "keyfile": str(server.private_key)}
        for name, value in options.items():
            self.cfg.set(name, value)

    @property
    def _gateway(self) -> tuple[str, ...]:
        path = self.settings.server.gateway_socket
        return () if path is None else (f"unix:{path}",)

    def kind_of(self, listener: socket.socket) -> PeerKind:
        """Which of the listeners this is."""
        name = listener.getsockname()
        if listener.family != socket.AF_UNIX:
            return PeerKind.TCP
        return PeerKind.GATEWAY if name == str(self.settings.server.gateway_socket) else PeerKind.UNIX

    def renew_certificate(self) -> bool:
        """Look again which certificate is shown, and read the client CAs; where one is broken, that is logged, and all
        stay. Safe for threads.
        """
        with self._renewing:
            return self._renew()

    def _renew(self) -> bool:
        try:
            cas = client_cas(self.settings.client_ca)
            self.tls = self._tls_context(cas)
        except ConfigurationInvalid as error:
            logger.error("the certificate stays as it was: %s", "; ".join(error.problems))  # noqa: TRY400
            return False
        except ClientCaUnusable as error:
            logger.error("certificate and client CAs stay as they were: %s: %s", error.name, error.reason)  # noqa: TRY400
            return False
        except SignerError as error:
            logger.error("certificate and client CAs stay as they were: %s", error.code)  # noqa: TRY400
            return False
        self.client_cas = cas
        if self.runtime is not None:
            self.runtime.trust(cas)
        return True

    def _tls_context(self, cas: tuple[ClientCa, ...]) -> ssl.SSLContext | None:
        server = self.settings.server
        return tls_context(server, cas, self._shown()) if server.tls is Tls.ON else None

    def _shown(self) -> ShownCertificate | None:
        """What is on record as shown. Each look has a connection of its own: this is called before and after forks."""
        database = Database(self.settings.database)
        try:
            return shown_certificate(self.settings, SqlServerCertificates(database=database, clock=utc_now))
        finally:
            database.close()

    def load(self) -> Any:
        """Called in each worker after the fork: the application, with its tokens starting."""
        from signer.asgi import web_application

        self.runtime = Runtime(
            self.settings,
            client_cas=self.client_cas,
            certificate_changed=self.renew_certificate,
            last_fault=self.last_fault,
        )
        self.runtime.start()
        return web_application(self.runtime, self.settings.server, self.settings.dialects)

    def run(self) -> None:
        """Serve until a signal ends it."""
        ServiceArbiter(self).run()

    def _seat(self, _arbiter: Any, worker: Any) -> None:
        worker.seat = self.shares.take_seat(worker)

    def _free_seat(self, _arbiter: Any, worker: Any) -> None:
        self.shares.free_seat(worker)
        metrics_folder.forget(worker.pid)

    def _close_runtime(self, _arbiter: Any, _worker: Any) -> None:
        if self.runtime is not None:
            self.runtime.close()


def recorder_supervisor(settings: Settings, *, hidden: Collection[str] = ()) -> RecorderSupervisor:
    """The recorder of this installation, not started. ``hidden``: variables that it must not see."""
    setup = Setup(settings=settings)
    return RecorderSupervisor(
        directory=settings.spool.directory, setup=setup.line(), inherited=setup.descriptors, hidden=hidden
    )


def connection_limits(server: ServerSettings, *, descriptors: int) -> ConnectionLimits:
    """The limits of one worker that may open ``descriptors`` files."""
    # The setting is for all workers together.
    wanted = None if server.connections is None else -(-server.connections // server.workers)
    return ConnectionLimits(
        connections=most_connections(descriptors=descriptors, wanted=wanted),
        handshake_timeout=server.handshake_timeout,
        head_timeout=server.head_timeout,
        read_timeout=server.read_timeout,
        keep_alive=server.keep_alive,
        body_rate=server.body_rate,
    )


def serve(settings: Settings) -> None:
    """Run until a signal ends it. Raises a ``SignerError`` where it cannot start."""
    configure_logging(settings.logging)
    _check_database(settings)
    settings.spool.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    metrics_folder.prepare(settings.spool.directory / METRICS_FOLDER)
    _prepare_sockets(settings.server)
    # Now, for all workers together, and not before: what counts looks for its folder when it is imported.
    import_module("signer.asgi")
    scheme = "https" if settings.server.tls is Tls.ON else "http"
    # The recorder reads PINs from what is sealed; a variable that held one it does not see.
    variables = {token.pin.env for token in settings.tokens if token.pin.env is not None}
    server = Server(with_sealed_pins(settings), descriptors=raise_descriptor_limit(), hidden=variables)
    logger.info(
        "serving %s on %s, up to %d connections per worker", scheme, settings.server.bind, server.limits.connections
    )
    server.run()


def _prepare_sockets(server: ServerSettings) -> None:
    for name, path in (("bind", server.unix_socket), ("gateway_socket", server.gateway_socket)):
        if path is None:
            continue
        if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
            sentence = f"server.{name}: the path of a socket has at most {MAX_SOCKET_PATH_BYTES} bytes"
            raise ConfigurationInvalid(path=str(path), problems=(sentence,))
        path.parent.mkdir(parents=True, exist_ok=True)


def _check_log(settings: Settings, database: Database) -> None:
    """There is a log, and what is on record continues what was certified, as far as a look at its head can tell."""
    head = SqlLogReader(database=database).head()
    if head.size == 0:
        raise LogMissing
    CheckpointFile(settings.log.checkpoint_file).read().log.beyond(size=head.size, root=head.root)


def _check_database(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        database.check_revision()
        _check_log(settings, database)
    finally:
        # Nothing opened before the fork may be used after it.
        database.close()
