"""Refusals about the certificates of TLS servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class ServerCertificateNotFound(SignerError):
    """There is no server of this name, or no such certificate of it. ``certificate``: what was asked for."""

    code = "server-certificate-not-found"
    name: str
    certificate: str | None = None


@dataclass(eq=False, kw_only=True)
class ServerCertificateWithoutNames(SignerError):
    """It would have no subject alternative name, by which clients compare the host."""

    code = "server-certificate-without-names"


@dataclass(eq=False, kw_only=True)
class ServerCertificateRejected(SignerError):
    """It cannot be taken as a server's. ``reason``: a sentence."""

    code = "server-certificate-rejected"
    reason: str


@dataclass(eq=False, kw_only=True)
class ServerKeyPublished(SignerError):
    """The private half of its key is known to everybody. ``source``: where it was published."""

    code = "server-key-published"
    source: str


@dataclass(eq=False, kw_only=True)
class ServerCertificateOnRecord(SignerError):
    """The server has this certificate already. ``state``: which of its certificates it is."""

    code = "server-certificate-on-record"
    name: str
    certificate: str
    state: str


@dataclass(eq=False, kw_only=True)
class NextServerCertificateExists(SignerError):
    """The server has a next certificate already."""

    code = "next-server-certificate-exists"
    name: str
    certificate: str


@dataclass(eq=False, kw_only=True)
class NoNextServerCertificate(SignerError):
    """A switch needs a next certificate and there is none."""

    code = "no-next-server-certificate"
    name: str


@dataclass(eq=False, kw_only=True)
class ServerBundleTooNew(SignerError):
    """The bundle with the next certificate has not been out for long enough; ``published_at`` None: not at all."""

    code = "server-bundle-too-new"
    name: str
    published_at: datetime | None
    days: int


@dataclass(eq=False, kw_only=True)
class ServerCertificateNotInForce(SignerError):
    """The next certificate is not valid now. ``not_before``, ``not_after``: when it is."""

    code = "server-certificate-not-in-force"
    name: str
    not_before: datetime
    not_after: datetime


@dataclass(eq=False, kw_only=True)
class ServerCertificateInUse(SignerError):
    """The active certificate is not retired: another one takes its place first."""

    code = "server-certificate-in-use"
    name: str
    certificate: str


@dataclass(eq=False, kw_only=True)
class ServerCertificatesChanged(SignerError):
    """Another call changed the server's certificates in the meantime; nothing was done."""

    code = "server-certificates-changed"
    name: str


@dataclass(eq=False, kw_only=True)
class ServerPrivateKeyMissing(SignerError):
    """This machine does not hold the private half of the certificate."""

    code = "server-private-key-missing"
    name: str
    certificate: str


@dataclass(eq=False, kw_only=True)
class ServerPrivateKeyUnwritable(SignerError):
    """The file of a private half could not be written. ``reason``: what the system says."""

    code = "server-private-key-unwritable"
    reason: str


@dataclass(eq=False, kw_only=True)
class BundleRejected(SignerError):
    """What should be a bundle of certificates is none. ``reason``: a sentence."""

    code = "bundle-rejected"
    reason: str


@dataclass(eq=False, kw_only=True)
class BundleCutOff(SignerError):
    """A bundle ends within a certificate: the file is not whole."""

    code = "bundle-cut-off"
    whole: int
