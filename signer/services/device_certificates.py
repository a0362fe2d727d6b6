"""The certificates that devices come with: looked at for each request, beside the token or the signature.

1. A certificate is valid now, and not revoked, for each request again: a connection outlives both.
2. Beside a token it is that of the key with which the token was got, of the same CA. A key that has come with one
   before, and every device where the installation demands it, needs one.
3. On the loop, what is revoked is known from memory. The list only grows; it is read again where the counter of what
   takes power has moved, and there is one more. Where that cannot be known, nobody is let in.
"""

from __future__ import annotations

import asyncio

from signer.domain.client_certificates import ProvedCertificate
from signer.domain.client_choices import Demand
from signer.domain.credentials import Credentials
from signer.domain.device_certificates import require_same
from signer.errors import ClientCertificateRevoked
from signer.errors.device_certificates import DeviceCertificateMissing
from signer.services.access_ports import RevokedCertificates
from signer.services.device_ports import CertificateReader
from signer.services.token_state_ports import RevisionWatch, TokenStanding


class KnownRevocations:
    """Which certificates are revoked, for one event loop."""

    def __init__(self, *, store: RevokedCertificates, watch: RevisionWatch) -> None:
        self._store = store
        self._watch = watch
        self._reading = asyncio.Lock()
        self._watched: int | None = None
        self._revoked: frozenset[tuple[str, str]] = frozenset()

    async def check(self, certificate: ProvedCertificate) -> None:
        """Raises ``ClientCertificateRevoked``, ``TokenStatesUnavailable``, or what the database raises."""
        if await self._watch.revision() != self._watched:
            async with self._reading:  # one reads, and all wait for it
                watched = await self._watch.revision()
                if watched != self._watched:
                    more = await asyncio.to_thread(self._store.more_than, len(self._revoked))
                    self._revoked = self._revoked if more is None else more
                    self._watched = watched
        if (certificate.ca, certificate.serial) in self._revoked:
            raise ClientCertificateRevoked(ca=certificate.ca, serial=certificate.serial)


class DeviceCertificates:
    """``demand``: whether devices that have never come with one need one. ``beside`` is for one event loop."""

    def __init__(
        self,
        *,
        reader: CertificateReader,
        revoked: RevokedCertificates,
        watch: RevisionWatch,
        demand: Demand,
    ) -> None:
        self._reader = reader
        self._store = revoked
        self._known = KnownRevocations(store=revoked, watch=watch)
        self._demand = demand

    def shown(self, credentials: Credentials) -> ProvedCertificate | None:
        """The certificate of whoever asks without a token; for a thread.

        Raises a ``CredentialsRejected`` that says what is wrong with it, or ``DeviceCertificateMissing``.
        """
        certificate = self._reader.of_device(credentials)
        if certificate is None:
            self._require_none_needed(None)
        elif self._store.is_revoked(certificate.ca, certificate.serial):
            raise ClientCertificateRevoked(ca=certificate.ca, serial=certificate.serial)
        return certificate

    async def beside(self, standing: TokenStanding, credentials: Credentials) -> None:
        """The request comes with the certificate of the token's key, or needs none.

        Raises a ``CredentialsRejected``, a ``DeviceCertificateRefused``, or ``TokenStatesUnavailable``.
        """
        certificate = self._reader.of_device(credentials)
        if certificate is None:
            self._require_none_needed(standing.client_ca)
            return
        require_same(certificate, key_sha256=standing.key_sha256, client_ca=standing.client_ca)
        await self._known.check(certificate)

    def _require_none_needed(self, client_ca: str | None) -> None:
        if client_ca is not None or self._demand is Demand.REQUIRED:
            raise DeviceCertificateMissing
