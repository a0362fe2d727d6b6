"""Certificates of TLS servers: made, asked of a CA, taken in, told to devices, and switched to, each step on record.

1. A private half that is made here is on this machine's disk before its certificate is on record.
2. A certificate always names hosts, and its key is none that everybody has.
3. A switch waits until the bundle with the next certificate has been out for some days; past that only by force, which
   is on record. What this service itself shows is switched to only where its private half is.
4. Of a request that comes from outside, the key is taken and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.errors import TokenError
from signer.domain.certificate_authority import CertificateTemplate, CertificateUse, CertifiedKey, IssuedCertificate
from signer.domain.certificate_facts import certificate_facts
from signer.domain.certificates import checked_subject
from signer.domain.events import EventType
from signer.domain.keys import checked_name
from signer.domain.published_keys import require_unpublished
from signer.domain.reasons import checked_reason
from signer.domain.server_certificate_events import requested_event, server_event
from signer.domain.server_certificates import (
    OWN_SERVER,
    PrivateHalf,
    ServerCertificate,
    ServerCertificates,
    ServerCertificateState,
    required_names,
)
from signer.domain.server_chains import CheckedServerChain, checked_server_chain
from signer.domain.server_requests import requested_key
from signer.errors import DatabaseFileLost, DatabaseUnavailable, SignerError
from signer.errors.server_certificates import (
    NextServerCertificateExists,
    ServerCertificateNotFound,
    ServerCertificateRejected,
    ServerPrivateKeyMissing,
)
from signer.services.ports import Clock
from signer.services.server_certificate_making import new_certificate, pem, self_signed
from signer.services.server_certificate_ports import ServerCertificateStore, ServerKeys

# A CA's key by its name, and what it shall issue.
Issue = Callable[[str, CertificateTemplate], IssuedCertificate]
S = ServerCertificateState
# After these nobody knows whether the certificate is on record: its private half stays.
UNDECIDED = (DatabaseUnavailable, DatabaseFileLost)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificateTerms:
    """What is made, and when it may be used. ``publish_days``: for how long a bundle has to be out before a switch."""

    lifetime: timedelta
    margin: timedelta
    publish_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificateRequest:
    """What a person asks for, unchecked.

    Attributes:
        unverified_subject: RFC 4514 string; None: the server's name as CN.
        unverified_names: ``dns:…``, ``ip:…``; none: those of the active certificate.
        days: how long it is valid; None: as the terms say.
        ca: name of the CA's key that issues it; None: it certifies itself.
        unverified_request: a request (PKCS#10, PEM) whose key it is for; None: a pair is made here.
    """

    unverified_subject: str | None = None
    unverified_names: tuple[str, ...] = ()
    days: int | None = None
    ca: str | None = None
    unverified_request: bytes | None = None


class ServerCertificateAdministration:
    """Keeps the certificates of servers. Safe for threads."""

    def __init__(
        self, *, store: ServerCertificateStore, keys: ServerKeys, clock: Clock, terms: ServerCertificateTerms
    ) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._terms = terms

    def servers(self) -> tuple[ServerCertificates, ...]:
        """All of them, by name."""
        return tuple(self._store.of(name) for name in self._store.names())

    def server(self, name: str) -> ServerCertificates:
        """One; raises ``ServerCertificateNotFound``."""
        found = self._store.of(name)
        if not found.certificates:
            raise ServerCertificateNotFound(name=name)
        return found

    def create(
        self, name: str, request: ServerCertificateRequest, *, actor: str, issue: Issue | None = None
    ) -> ServerCertificate:
        """Make the server's next certificate. ``issue``: asks a CA, where the request names one.

        Raises ``InvalidName``, ``NextServerCertificateExists``, ``ServerCertificateWithoutNames``,
        ``CertificateRejected``, ``ServerCertificateRejected``, ``ServerKeyPublished``, ``ServerPrivateKeyUnwritable``,
        and what ``issue`` raises.
        """
        found = self._without_next(name)
        if request.ca is not None and issue is None:
            raise ServerCertificateRejected(reason="a CA in the token issues through the running service alone")
        if request.ca is None and request.unverified_request is not None:
            raise ServerCertificateRejected(reason="a request needs the CA that issues for it")
        subject, names = self._said(name, request, found)
        if request.unverified_request is not None:
            return self._issued(name, request, requested_key(request.unverified_request), subject, names, actor, issue)
        pair = self._keys.make(name)
        try:
            return self._issued(name, request, pair, subject, names, actor, issue)
        except (SignerError, TokenError) as error:
            if not isinstance(error, UNDECIDED):
                self._keys.forget(name, require_unpublished(pair.public_key()))
            raise

    def request(self, name: str, request: ServerCertificateRequest, *, actor: str) -> str:
        """Make a pair and a request for a CA, in PEM; what the CA returns is imported.

        Raises as ``create`` does.
        """
        subject, names = self._said(name, request, self._without_next(name))
        pair = self._keys.make(name)
        builder = x509.CertificateSigningRequestBuilder(subject).add_extension(names, critical=False)
        made = builder.sign(pair, hashes.SHA256())
        digest = require_unpublished(pair.public_key())
        event = requested_event(name, actor=actor, spki_sha256=digest, subject=subject.rfc4514_string())
        self._store.record(event)
        return made.public_bytes(Encoding.PEM).decode("ascii")

    def take(self, name: str, unverified_pem: bytes, *, actor: str) -> ServerCertificate:
        """Take in what a CA returned, or what was made elsewhere, as the server's next certificate.

        Raises ``InvalidName``, ``NextServerCertificateExists``, ``ServerCertificateOnRecord``,
        ``ServerCertificateRejected``, ``ServerCertificateWithoutNames`` or ``ServerKeyPublished``.
        """
        checked_name(name)
        chain = checked_server_chain(unverified_pem, now=self._clock())
        return self._keep(name, chain, S.NEXT, actor=actor)

    def adopt(self, name: str, unverified_pem: bytes, *, actor: str) -> ServerCertificate:
        """Take in what is shown already, as the server's first certificate; raises as ``take``."""
        chain = checked_server_chain(unverified_pem, now=self._clock())
        return self._keep(name, chain, S.ACTIVE, actor=actor)

    def bundle(self, name: str, *, actor: str) -> str:
        """What devices should trust, in PEM: previous, active and next; the first time with a next is on record.

        Raises ``ServerCertificateNotFound``.
        """
        found = self._store.of(name)
        text = found.bundle(now=self._clock())
        if found.next is not None and found.next.published_at is None:
            # Before it is out: a switch counts its days from a moment that is on record, or not at all.
            event = server_event(EventType.SERVER_CERTIFICATE_PUBLISHED, found.next, actor=actor)
            self._store.publish(found.next, event)
        return text

    def switch(self, name: str, *, force: bool, reason: str | None, actor: str) -> ServerCertificate:
        """Let the next certificate be the active one.

        Raises ``ServerCertificateNotFound``, ``NoNextServerCertificate``, ``ServerCertificateNotInForce``,
        ``ServerBundleTooNew`` unless ``force``, ``ServerPrivateKeyMissing``, ``ServerCertificatesChanged``.
        """
        found = self.server(name)
        following = found.to_switch(now=self._clock(), days=self._terms.publish_days, force=force)
        if name == OWN_SERVER and self._keys.find(name, following.spki_sha256) is None:
            raise ServerPrivateKeyMissing(name=name, certificate=following.fingerprint)
        why = {} if reason is None else {"reason": checked_reason(reason)}
        event = server_event(
            EventType.SERVER_CERTIFICATE_SWITCHED, following, actor=actor, before=found.active, forced=force, **why
        )
        self._store.switch(following, found.active, event)
        return following

    def retire(self, name: str, certificate: str, *, actor: str) -> ServerCertificate:
        """Take a previous or the next certificate from the bundle, for ever.

        Raises ``ServerCertificateNotFound``, ``ServerCertificateInUse`` or ``ServerCertificatesChanged``.
        """
        gone = self.server(name).to_retire(certificate)
        self._store.retire(gone, server_event(EventType.SERVER_CERTIFICATE_RETIRED, gone, actor=actor))
        return gone

    def _without_next(self, name: str) -> ServerCertificates:
        found = self._store.of(checked_name(name))
        if found.next is not None:
            # Before a pair is made that nobody would use.
            raise NextServerCertificateExists(name=name, certificate=found.next.fingerprint)
        return found

    def _said(
        self, name: str, request: ServerCertificateRequest, found: ServerCertificates
    ) -> tuple[x509.Name, x509.SubjectAlternativeName]:
        """Subject and alternative names."""
        names = request.unverified_names
        if not names and found.active is not None:
            names = certificate_facts(found.active.pem).names
        return checked_subject(request.unverified_subject, name), required_names(names)

    def _issued(
        self,
        name: str,
        request: ServerCertificateRequest,
        key: ec.EllipticCurvePrivateKey | CertifiedKey,
        subject: x509.Name,
        names: x509.SubjectAlternativeName,
        actor: str,
        issue: Issue | None,
    ) -> ServerCertificate:
        pair = key if isinstance(key, ec.EllipticCurvePrivateKey) else None
        template = CertificateTemplate(
            use=CertificateUse.SERVER,
            subject=subject,
            public_key=key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key,
            names=names,
            lifetime=self._terms.lifetime if request.days is None else timedelta(days=request.days),
            margin=self._terms.margin,
        )
        if request.ca is not None and issue is not None:
            made = issue(request.ca, template)
            text, chain, ca = made.pem, made.chain_pem, (made.ca_key, made.ca_version)
        else:
            assert pair is not None  # noqa: S101  (without a CA there is no request)
            text, chain, ca = pem(self_signed(template, pair, now=self._clock())), "", None
        half = PrivateHalf.OUTSIDE if pair is None else PrivateHalf.FILE
        kept = new_certificate(name, text, chain, state=S.NEXT, half=half, actor=actor, now=self._clock(), ca=ca)
        self._store.add(kept, server_event(EventType.SERVER_CERTIFICATE_CREATED, kept, actor=actor))
        return kept

    def _keep(self, name: str, chain: CheckedServerChain, state: S, *, actor: str) -> ServerCertificate:
        here = self._keys.find(name, chain.spki_sha256) is not None
        half = PrivateHalf.FILE if here else PrivateHalf.OUTSIDE
        issuers = "".join(pem(issuer) for issuer in chain.issuers)
        taken = new_certificate(name, pem(chain.leaf), issuers, state=state, half=half, actor=actor, now=self._clock())
        self._store.add(taken, server_event(EventType.SERVER_CERTIFICATE_IMPORTED, taken, actor=actor))
        return taken
