"""What the certificates of servers need of the outside; ``storage`` and the files of a machine provide it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from signer.domain.events import Event
from signer.domain.server_certificates import ServerCertificate, ServerCertificates


class ServerCertificateStore(Protocol):
    """Certificates of servers on record. Each change is one transaction with its event.

    Changes raise ``ServerCertificatesChanged`` where what they were decided on is so no more.
    """

    def names(self) -> tuple[str, ...]:
        """The servers, by name."""

    def of(self, name: str) -> ServerCertificates:
        """Its certificates, oldest first; none where nobody knows it.

        What gives power is compared with what the log says of it: raises ``AccessTampered``.
        """

    def active_fingerprint(self, name: str) -> str | None:
        """Of the active one. Cheap, and not compared with the log: a reason to look, and nothing to rely on."""

    def add(self, certificate: ServerCertificate, event: Event) -> None:
        """A new one, in the state that it has.

        Raises ``NextServerCertificateExists`` and ``ServerCertificateOnRecord``.
        """

    def record(self, event: Event) -> None:
        """Something happened that changes no certificate."""

    def publish(self, certificate: ServerCertificate, event: Event) -> None:
        """A bundle with it is given out; nothing where one was before."""

    def switch(self, following: ServerCertificate, active: ServerCertificate | None, event: Event) -> None:
        """The next becomes active, and the active previous."""

    def retire(self, certificate: ServerCertificate, event: Event) -> None:
        """It leaves the bundle."""

    def tell_expiry(self, certificate: ServerCertificate, step: int, event: Event) -> bool:
        """Put on record that it ends within ``step`` days; False where another process did."""


class ServerKeys(Protocol):
    """Private halves of this machine."""

    def make(self, name: str) -> ec.EllipticCurvePrivateKey:
        """A new pair, durable when the call returns; raises ``ServerPrivateKeyUnwritable``."""

    def find(self, name: str, spki_sha256: str) -> Path | None:
        """The file with the private half of this public key, or None."""

    def forget(self, name: str, spki_sha256: str) -> None:
        """Remove what was made and is wanted no more."""
