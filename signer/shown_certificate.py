"""Which certificate a process of the service shows, and how it learns that it is another one.

1. The active certificate of the service's own name is shown, where this machine has its private half.
2. What the configured files hold, and nobody put on record, was put there by who keeps the machine: that is shown. So a
   program that renews files and sends HUP goes on to work, and so does a machine without records.
3. Where this machine lacks that private half, it shows the newest previous one that it can: the bundle has it too.
4. Each worker looks once a second whether the active one is another. Connections that are open, and handshakes under
   way, keep the certificate that they began with.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from signer.config import Settings
from signer.domain.events import EventType
from signer.domain.server_certificate_events import server_event
from signer.domain.server_certificates import (
    OWN_SERVER,
    ServerCertificate,
    ServerCertificates,
    untold_step,
)
from signer.domain.server_certificates import ServerCertificateState as State
from signer.errors import ConfigurationInvalid, SignerError
from signer.server_key_files import ServerKeyFiles
from signer.server_settings import Tls
from signer.services.server_certificate_ports import ServerCertificateStore
from signer.tls import ShownCertificate

logger = logging.getLogger("artifact-signer.server")

LOOK_SECONDS = 1.0
# How often it is looked whether one ends soon.
EXPIRY_SECONDS = 3600.0
MAX_PEM_BYTES = 1 << 20
SERVICE = "artifact-signer"
WORKER_JOIN_SECONDS = 5.0


def configured_fingerprint(settings: Settings) -> str:
    """Of the first certificate of the configured file.

    Raises ``ConfigurationInvalid`` where there is none: who named that file did not mean to go on as before.
    """
    path = settings.server.certificate
    try:
        with path.open("rb") as file:
            first = x509.load_pem_x509_certificates(file.read(MAX_PEM_BYTES))[0]
    except FileNotFoundError as error:
        problem = "certificate and private key cannot be used: there is no such file"
        raise ConfigurationInvalid(path=str(path), problems=(problem,)) from error
    except (OSError, ValueError) as error:
        problem = "certificate and private key cannot be used: it holds no certificate that can be read"
        raise ConfigurationInvalid(path=str(path), problems=(problem,)) from error
    return first.fingerprint(hashes.SHA256()).hex()


def shown_certificate(settings: Settings, store: ServerCertificateStore) -> ShownCertificate | None:
    """What to show; None: what the configured files hold. Raises what the store raises.

    Raises ``ConfigurationInvalid`` as ``configured_fingerprint`` does.
    """
    if settings.server.tls is Tls.OFF:
        return None
    found = store.of(OWN_SERVER)
    if found.active is None or _put_there_by_hand(configured_fingerprint(settings), found):
        return None
    keys = ServerKeyFiles(directory=settings.server_certificates.directory, further=settings.server.private_key)
    for certificate in _believed(found):
        private_key = keys.find(OWN_SERVER, certificate.spki_sha256)
        if private_key is not None:
            return ShownCertificate(
                fingerprint=certificate.fingerprint, pem=certificate.served_pem, private_key=private_key
            )
        logger.error(
            "the %s certificate %s is not shown: this machine has no private key for it",
            certificate.state.value,
            certificate.fingerprint[:16],
        )
    return None


def _believed(found: ServerCertificates) -> list[ServerCertificate]:
    """What devices believe: the active one, then those that were, the newest first."""
    shown = [each for each in found.certificates if each.state in (State.ACTIVE, State.PREVIOUS)]
    return sorted(shown, key=lambda each: (each.state is State.ACTIVE, each.switched_at), reverse=True)


def _put_there_by_hand(fingerprint: str, found: ServerCertificates) -> bool:
    return all(each.fingerprint != fingerprint for each in found.certificates)


class CertificateWatch:
    """Tells a worker that another certificate is active, and the log that one ends soon. Close it."""

    def __init__(
        self,
        *,
        store: ServerCertificateStore,
        clock: Callable[[], datetime],
        changed: Callable[[], object],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """``changed``: called on a thread of its own, each time that another certificate is active."""
        self._store = store
        self._clock = clock
        self._changed = changed
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificates", daemon=True)
        self._active: str | None = None
        self._expiry_in = 0.0
        # Name and state of each that is shown or will be, and when it ends.
        self.ends: dict[tuple[str, str], datetime] = {}

    def start(self) -> None:
        """Begin to look; what is active now has been seen by the caller or is looked at first."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(WORKER_JOIN_SECONDS)

    def look(self) -> None:
        """Look once; raises what the store raises."""
        active = self._store.active_fingerprint(OWN_SERVER)
        if active != self._active:
            self._changed()
            self._active, self._expiry_in = active, 0.0
        if self._expiry_in <= 0:
            self._look_at_ends()
            self._expiry_in = EXPIRY_SECONDS
        self._expiry_in -= self._look_seconds

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except SignerError as error:
                logger.warning("the certificates cannot be looked at: %s", error.code)
            if self._stop.wait(self._look_seconds):
                return

    def _look_at_ends(self) -> None:
        now = self._clock()
        shown = [
            each
            for name in self._store.names()
            for server in [self._store.of(name)]
            for each in (server.active, server.next)
            if each is not None
        ]
        self.ends = {(each.name, each.state.value): each.not_after for each in shown}
        for each in shown:
            self._tell(each, now)

    def _tell(self, certificate: ServerCertificate, now: datetime) -> None:
        step = untold_step(certificate, now=now)
        if step is None:
            return
        event = server_event(
            EventType.SERVER_CERTIFICATE_EXPIRING, certificate, actor=SERVICE, days=step, state=certificate.state.value
        )
        if self._store.tell_expiry(certificate, step, event):
            logger.warning(
                "the %s certificate of %s ends on %s", certificate.state.value, certificate.name,
                certificate.not_after.date(),
            )  # fmt: skip
