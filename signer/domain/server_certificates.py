"""Certificates of TLS servers, with overlap: one next, one active, some previous, by the name of the server.

1. A certificate is told to devices before it is shown in a handshake, and for some time after it is shown no more: the
   bundle holds previous, active and next. Only so does no device lose its way when they change places.
2. What is on record is public. The private half lies in a file of the machine that serves, or elsewhere.
3. What may follow on a state is ``TRANSITIONS``; what is absent is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cryptography import x509

from signer.domain.certificates import checked_names
from signer.errors.server_certificates import (
    NoNextServerCertificate,
    ServerBundleTooNew,
    ServerCertificateInUse,
    ServerCertificateNotFound,
    ServerCertificateNotInForce,
    ServerCertificateWithoutNames,
)

# Whose active certificate the service itself shows.
OWN_SERVER = "server"
# Before the end of a certificate, at how many days something is said.
EXPIRY_DAYS = (90, 30, 7)
LEAST_PREFIX = 8


class ServerCertificateState(StrEnum):
    """Where a certificate is in its life."""

    NEXT = "next"  # in the bundle, not shown yet
    ACTIVE = "active"  # in the bundle, and shown
    PREVIOUS = "previous"  # in the bundle, shown no more
    RETIRED = "retired"  # gone from the bundle


S = ServerCertificateState
TRANSITIONS: Mapping[S, frozenset[S]] = MappingProxyType(
    {
        S.NEXT: frozenset({S.ACTIVE, S.RETIRED}),
        S.ACTIVE: frozenset({S.PREVIOUS}),
        S.PREVIOUS: frozenset({S.RETIRED}),
        S.RETIRED: frozenset(),
    }
)
# In this order they stand in a bundle.
IN_BUNDLE = (S.PREVIOUS, S.ACTIVE, S.NEXT)


class PrivateHalf(StrEnum):
    """Where the private half of a certificate is."""

    FILE = "file"  # of the machine that made it, or took it in
    OUTSIDE = "outside"  # nothing is known of it here


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """One certificate of a server, as it is on record.

    Attributes:
        name: of the server.
        fingerprint: lowercase hex SHA-256 of the DER certificate; ``spki_sha256`` that of its public key.
        pem: the certificate; ``chain_pem`` its issuers, its own first; empty for one that is self-signed.
        ca_key: name of the CA's key in the token that issued it, ``ca_version`` the number of its version; or None.
        published_at: when a bundle with it was first given out.
        switched_at: when it became active; ``retired_at`` when it left the bundle.
        told_days: the smallest of ``EXPIRY_DAYS`` that was told of.
    """

    name: str
    fingerprint: str
    state: ServerCertificateState
    pem: str
    chain_pem: str
    spki_sha256: str
    private_half: PrivateHalf
    ca_key: str | None
    ca_version: int | None
    not_before: datetime
    not_after: datetime
    created_at: datetime
    created_by: str
    published_at: datetime | None = None
    switched_at: datetime | None = None
    retired_at: datetime | None = None
    told_days: int | None = None

    @property
    def served_pem(self) -> str:
        """What a server shows: the certificate and those of its issuers."""
        return self.pem + self.chain_pem

    @property
    def anchors_pem(self) -> str:
        """What a device trusts to believe it: its issuers, or itself where it has none.

        OpenSSL takes a certificate that another one issued for no anchor: the issuer's has to be there.
        """
        return self.chain_pem or self.pem


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificates:
    """All certificates of one server, oldest first."""

    name: str
    certificates: tuple[ServerCertificate, ...]

    def in_state(self, state: ServerCertificateState) -> ServerCertificate | None:
        """The newest one in ``state``, or None."""
        return next((each for each in reversed(self.certificates) if each.state is state), None)

    @property
    def active(self) -> ServerCertificate | None:
        """The one that is shown."""
        return self.in_state(S.ACTIVE)

    @property
    def next(self) -> ServerCertificate | None:
        """The one that will be."""
        return self.in_state(S.NEXT)

    def find(self, unverified_prefix: str) -> ServerCertificate:
        """The one whose fingerprint begins so, colons and case apart; raises ``ServerCertificateNotFound``."""
        prefix = unverified_prefix.replace(":", "").lower()
        found = [each for each in self.certificates if each.fingerprint.startswith(prefix)]
        if len(prefix) < LEAST_PREFIX or len(found) != 1:
            raise ServerCertificateNotFound(name=self.name, certificate=unverified_prefix[:64])
        return found[0]

    def bundle(self, *, now: datetime) -> str:
        """What devices should trust, in PEM, each certificate once; raises ``ServerCertificateNotFound``.

        A previous one that has expired convinces nobody, and is left out.
        """
        parts = [
            block
            for state in IN_BUNDLE
            for each in self.certificates
            if each.state is state and (state is not S.PREVIOUS or now <= each.not_after)
            for block in pem_blocks(each.anchors_pem)
        ]
        if not parts:
            raise ServerCertificateNotFound(name=self.name)
        return "".join(dict.fromkeys(parts))

    def to_switch(self, *, now: datetime, days: int, force: bool) -> ServerCertificate:
        """The next one, if it may become active now.

        Without an active one nobody is there who has to learn of it. Raises ``NoNextServerCertificate``,
        ``ServerCertificateNotInForce``, or without ``force`` ``ServerBundleTooNew``.
        """
        following = self.next
        if following is None:
            raise NoNextServerCertificate(name=self.name)
        if not following.not_before <= now <= following.not_after:
            raise ServerCertificateNotInForce(
                name=self.name, not_before=following.not_before, not_after=following.not_after
            )
        published = following.published_at
        early = published is None or now - published < timedelta(days=days)
        if early and self.active is not None and not force:
            raise ServerBundleTooNew(name=self.name, published_at=published, days=days)
        return following

    def to_retire(self, unverified_prefix: str) -> ServerCertificate:
        """The one to be taken from the bundle; raises ``ServerCertificateNotFound`` or ``ServerCertificateInUse``."""
        found = self.find(unverified_prefix)
        if found.state is S.ACTIVE:
            raise ServerCertificateInUse(name=self.name, certificate=found.fingerprint)
        if S.RETIRED not in TRANSITIONS[found.state]:
            raise ServerCertificateNotFound(name=self.name, certificate=found.fingerprint)
        return found


def pem_blocks(pem: str) -> list[str]:
    """The certificates of a text that was checked before, each with its newline."""
    end = "-----END CERTIFICATE-----"
    return [f"{part.strip()}\n{end}\n" for part in pem.split(end) if part.strip()]


def expiry_step(certificate: ServerCertificate, *, now: datetime) -> int | None:
    """The smallest number of ``EXPIRY_DAYS`` within which it ends, or None; 0 where it has ended."""
    left = certificate.not_after - now
    if left < timedelta(0):
        return 0
    return min((days for days in EXPIRY_DAYS if left <= timedelta(days=days)), default=None)


def untold_step(certificate: ServerCertificate, *, now: datetime) -> int | None:
    """The step that nobody has told of yet, or None. What is shown no more may end unsaid."""
    if certificate.state not in (S.ACTIVE, S.NEXT):
        return None
    step = expiry_step(certificate, now=now)
    told = certificate.told_days
    return step if step is not None and (told is None or step < told) else None


def required_names(unverified_names: Iterable[str]) -> x509.SubjectAlternativeName:
    """The alternative names; raises ``ServerCertificateWithoutNames`` or ``CertificateRejected``.

    Clients compare the host with hosts and addresses alone.
    """
    names = checked_names(tuple(unverified_names))
    if names is None or not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        raise ServerCertificateWithoutNames
    return names
