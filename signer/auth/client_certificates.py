"""Client certificates: shown in the TLS handshake, or to a proxy that tells of them.

1. What a certificate says is read once and remembered by all of its bytes; that it is valid now, on each request: a
   connection lives longer than a certificate may.
2. A certificate that was found neither revoked nor of a disabled person stays known for ``cache_seconds``, and only
   until access changes.
3. The CAs can be changed while it runs. What another set of CAs has proved is not remembered, also where it was being
   looked at.
4. A device's certificate is nobody here: it is told to those who ask for devices' alone. Beside an ``Authorization``
   field it is none of the credentials.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from signer.auth.certificate_headers import told_certificate
from signer.domain.client_certificates import IDENTITY_KIND, ClientCa, ProvedCertificate, proved_certificate
from signer.domain.client_choices import CaUse, CertificateHeader
from signer.domain.credentials import Credentials
from signer.domain.identity import CertificateIdentity, Identity
from signer.errors import (
    ClientCertificateOfDevice,
    ClientCertificateRevoked,
    CredentialsMissing,
    CredentialsRejected,
)
from signer.errors.client_certificates import ClientCertificateOfCaller
from signer.services.access_ports import Directory, RevokedCertificates
from signer.services.ports import Clock

K = TypeVar("K")
V = TypeVar("V")

KIND = IDENTITY_KIND
CACHE_ENTRIES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    identity: CertificateIdentity
    certificate: ProvedCertificate
    until: float


class ClientCertificateAuthenticator:
    """``auth.methods.CertificateMethod``. Safe for threads."""

    def __init__(
        self,
        *,
        cas: tuple[ClientCa, ...],
        header: CertificateHeader,
        revoked: RevokedCertificates,
        directory: Directory,
        clock: Clock,
        monotonic: Callable[[], float],
        cache_seconds: float,
    ) -> None:
        self._cas = cas
        self._header = header
        self._revoked = revoked
        self._directory = directory
        self._clock = clock
        self._monotonic = monotonic
        self._cache_seconds = cache_seconds
        # Guards all that follows. Read without it: one entry is replaced as a whole.
        self._lock = threading.Lock()
        self._read: dict[bytes, ProvedCertificate] = {}
        self._known: dict[bytes, _Known] = {}
        self._shown_by: dict[CertificateIdentity, bytes] = {}
        self._changes = 0  # of access and of the CAs

    def trust(self, cas: tuple[ClientCa, ...]) -> None:
        """Believe these CAs from now on, and no others."""
        with self._lock:
            self._changes += 1
            self._cas = cas
            self._read.clear()
            self._known.clear()

    def shown(self, credentials: Credentials) -> bool:
        """Whether the request shows a certificate that is to be looked at; does not wait.

        Raises a ``CredentialsRejected`` where it tells of one in a way that is not taken.
        """
        der = self._presented(credentials)
        if der is None:
            return False
        if credentials.authorization is None:
            return True
        try:
            return self._proved(der).use is not CaUse.DEVICE
        except CredentialsRejected:
            return True

    def of_device(self, credentials: Credentials) -> ProvedCertificate | None:
        """The certificate that a device comes with, valid now; None where it shows none, or no CA is one of devices.

        Whether it is revoked is not looked at. Does not wait. Raises a ``CredentialsRejected`` for one that is no
        device's, and where it is told of in a way that is not taken.
        """
        if not any(ca.use is CaUse.DEVICE for ca in self._cas):
            return None
        der = self._presented(credentials)
        if der is None:
            return None
        proved = self._proved(der)
        if proved.use is not CaUse.DEVICE:
            raise ClientCertificateOfCaller(ca=proved.ca)
        return proved.valid_at(self._clock())

    def proved_by_ca(self, der: bytes) -> ProvedCertificate:
        """What a certificate proves by the CAs that are believed now; raises as ``domain.client_certificates`` does."""
        return self._proved(der)

    def remembered(self, credentials: Credentials) -> Identity | None:
        """The identity, if the certificate was looked up a moment ago and is valid now; asks no database."""
        der = self._presented(credentials)
        known = None if der is None else self._known.get(der)
        if known is None or self._monotonic() >= known.until or not _valid(known.certificate, self._clock()):
            return None
        return known.identity

    def authenticate(self, credentials: Credentials) -> Identity:
        """The identity that the certificate proves; raises a ``CredentialsRejected`` that says why it is none."""
        der = self._presented(credentials)
        if der is None:
            raise CredentialsMissing
        changes = self._changes
        proved = self._proved(der)
        identity = self._looked_up(proved)
        until = self._monotonic() + self._cache_seconds
        with self._lock:
            if changes == self._changes:  # else it may have been revoked between the query and this
                self._remember(der, _Known(identity=identity, certificate=proved, until=until))
        return identity

    def confirm(self, identity: Identity) -> None:
        """Raises a ``CredentialsRejected`` unless the certificate still proves this very identity."""
        der = self._shown_by.get(identity) if isinstance(identity, CertificateIdentity) else None
        if der is None or self._looked_up(self._proved(der)) != identity:
            raise CredentialsRejected

    def proved(self, identity: Identity) -> bool:
        """Whether its certificate was looked up since access changed last and is valid now; asks no database."""
        der = self._shown_by.get(identity) if isinstance(identity, CertificateIdentity) else None
        known = None if der is None else self._known.get(der)
        return known is not None and known.identity == identity and _valid(known.certificate, self._clock())

    def forget(self) -> None:
        """Look every certificate up again at its next use."""
        with self._lock:
            self._changes += 1
            self._known.clear()

    def _presented(self, credentials: Credentials) -> bytes | None:
        """What was shown by whoever asks. A proxy that tells of its clients asks nothing for itself."""
        fields, peer = credentials.certificate_headers, credentials.peer
        told = told_certificate(fields, form=self._header, vouched=peer.vouches) if fields else None
        return told if peer.vouches else credentials.peer_certificate

    def _proved(self, der: bytes) -> ProvedCertificate:
        found = self._read.get(der)
        if found is not None:
            return found
        changes = self._changes
        found = proved_certificate(der, self._cas)
        with self._lock:
            if changes == self._changes:
                _put(self._read, der, found)
        return found

    def _looked_up(self, proved: ProvedCertificate) -> CertificateIdentity:
        """The identity, by what is on record of it now."""
        name = proved.identity
        if name is None or proved.field is None or proved.value is None:
            raise ClientCertificateOfDevice(ca=proved.ca)
        proved.valid_at(self._clock())
        if self._revoked.is_revoked(proved.ca, proved.serial):
            raise ClientCertificateRevoked(ca=proved.ca, serial=proved.serial)
        membership = self._directory.membership(name)
        return CertificateIdentity(
            name=name,
            person=membership.person,
            groups=membership.groups,
            expires_at=proved.not_after,
            ca=proved.ca,
            field=proved.field.value,
            value=proved.value,
            serial=proved.serial,
            sha256=proved.sha256,
            not_after=proved.not_after,
        )

    def _remember(self, der: bytes, known: _Known) -> None:
        # In one order, so that what is in the first is in the second.
        _put(self._known, der, known)
        _put(self._shown_by, known.identity, der)


def _put(entries: dict[K, V], key: K, value: V) -> None:
    entries.pop(key, None)
    if len(entries) >= CACHE_ENTRIES:
        del entries[next(iter(entries))]
    entries[key] = value


def _valid(certificate: ProvedCertificate, now: datetime) -> bool:
    return certificate.not_before <= now <= certificate.not_after
