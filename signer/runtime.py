"""A running service in one process: what is opened at its start and closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hsm import AsyncSigner, TokenHealth, TokenPool
from signer.bootstrap import build_application, sql_parts, utc_now
from signer.config import Settings
from signer.domain.client_certificates import ClientCa
from signer.processes import ProcessorTimes
from signer.recorder.addresses import socket_path
from signer.recorder.probe import figures, prove
from signer.services.last_fault import LastFault
from signer.services.stages import Stages
from signer.shown_certificate import CertificateWatch
from signer.storage.database import Database
from signer.storage.server_certificate_store import SqlServerCertificates
from signer.token import open_tokens

# How long whoever asks for the metrics waits for those of the recorder.
FIGURES_SECONDS = 1.0


class Runtime:
    """An application with its database and tokens open, in one process. Close it."""

    def __init__(
        self,
        settings: Settings,
        *,
        client_cas: tuple[ClientCa, ...] = (),
        certificate_changed: Callable[[], object] = lambda: None,
        last_fault: LastFault,
    ) -> None:
        """``certificate_changed``: called where the service shall show another certificate, on a thread of its own;
        ``last_fault``: of all workers.
        """
        self._database = Database(settings.database)
        self._pool: TokenPool = open_tokens(settings)
        self._token_times = ProcessorTimes()
        self.stages = Stages()
        self._token_signer = AsyncSigner(self._pool, exchanging=self.stages.token, verifying=self.stages.verify)
        parts = sql_parts(
            settings,
            database=self._database,
            tokens=self._pool,
            token_signer=self._token_signer,
            clock=utc_now,
            stages=self.stages,
            client_cas=client_cas,
        )
        self._client_certificates, self._users = parts.client_certificates, parts.users
        self._last_uses = (parts.api_tokens.last_uses, parts.users.last_uses)
        self._on_record, self._recorder = parts.on_record, parts.recorder
        self._token_watch = parts.gateway.watch
        self.certificate_watch = CertificateWatch(
            store=SqlServerCertificates(database=self._database, clock=utc_now),
            clock=utc_now,
            changed=certificate_changed,
        )
        # Nothing is signed without it; only a running service has one.
        recorder = socket_path(settings.spool.directory)
        answers = partial(prove, recorder, timeout=settings.signing.timeout)
        self.recorder_figures = partial(figures, recorder, timeout=FIGURES_SECONDS)
        self.application = build_application(
            settings, replace(parts, probes={"recorder": answers}, last_fault=last_fault)
        )

    def start(self) -> None:
        """Start the token processes and the readiness proof."""
        self._pool.start()
        self.application.readiness.start()
        self.application.ci.start()
        self.certificate_watch.start()
        for uses in self._last_uses:
            uses.start()

    def trust(self, client_cas: tuple[ClientCa, ...]) -> None:
        """Believe the certificates of these client CAs from now on, also on open connections, and no others."""
        self._client_certificates.trust(client_cas)

    def join(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sign on this event loop; to be called on it, once."""
        self._token_signer.start(loop)
        self._token_watch.start()

    def leave(self) -> None:
        """Sign on the loop no more; to be called on it when nobody waits for a signature any longer."""
        self._token_watch.close()
        self._recorder.close()
        self._token_signer.close()

    def health(self) -> tuple[TokenHealth, ...]:
        """How the tokens are."""
        return self._pool.health()

    def token_seconds(self) -> dict[str, float]:
        """Processor time of the token processes, by the names of the tokens; to be called by one thread."""
        return {token.name: self._token_times.seconds(token.name, token.pid) for token in self.health()}

    def close(self) -> None:
        """Stop the proof, the token processes and the database connections."""
        self.application.readiness.close()
        self.certificate_watch.close()
        self._users.passwords.close()
        for uses in self._last_uses:
            uses.close()
        self._pool.close()
        self._on_record.close()
        self._database.close()
