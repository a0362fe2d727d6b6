"""Certificates of key versions: made in the token, asked of a CA, and taken back from it.

1. What the token signs here is a certificate or a request that was put together here; a caller's bytes never are.
2. Nothing is kept or handed out that the version's pinned public key does not verify; otherwise the version is
   quarantined.
3. These signatures are administrative: they count towards no limit.
4. Which states allow what is ``domain.certificates.CERTIFICATE_STATES``; a version past its not-after signs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.errors import TokenError
from signer.domain.access.actions import Action
from signer.domain.certificate_extensions import own_extensions
from signer.domain.certificate_facts import certificate_facts
from signer.domain.certificates import (
    WITHOUT_CERTIFICATE,
    CertificateParameters,
    CertificateStep,
    checked_names,
    checked_period,
    checked_subject,
    require_state,
    signs_until,
)
from signer.domain.chains import checked_chain
from signer.domain.events import Event, EventType
from signer.domain.identity import Identity
from signer.domain.keys import CERTIFICATE_AUTHORITIES, Key, KeyVersion
from signer.domain.messages import CertificateContent, CertificateRequestContent
from signer.domain.timestamps import rfc3339
from signer.errors import CertificateNotFound, SignerError
from signer.services.access import Access
from signer.services.certificate_keys import CertificateKeys
from signer.services.clock import RecordedClock
from signer.services.ports import Certificate, KeyStore
from signer.services.signing import MessageSigner, pinned
from signer.services.token_keys import TokenPublicKey, builder_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """A certificate signing request (PKCS#10): ``pem``, and its ``subject`` as an RFC 4514 string."""

    pem: str
    subject: str


class CertificateService:
    """Makes, requests, imports and reads certificates. Safe for threads."""

    def __init__(
        self,
        *,
        store: KeyStore,
        signer: MessageSigner,
        clock: RecordedClock,
        quarantine: Callable[[Key, KeyVersion], None],
        access: Access,
    ) -> None:
        self._store = store
        self._keys = CertificateKeys(signer=signer, quarantine=quarantine)
        self._clock = clock
        self._access = access

    def current(self, name: str, number: int) -> Certificate:
        """The newest certificate of the version; raises ``CertificateNotFound``."""
        key = self._store.key(name)
        version = key.version(number)
        if version.state in WITHOUT_CERTIFICATE:
            raise CertificateNotFound(key=name, version=number)
        return self._store.certificate(key, number)

    def issue(self, identity: Identity, name: str, number: int, parameters: CertificateParameters) -> Certificate:
        """A self-signed certificate, from now on the version's.

        Raises ``StepNotAllowed``, ``CertificateRejected``, ``VersionExpired`` or a ``hsm.errors.TokenError``.
        """
        self._access.require(identity, Action.MANAGE, name)
        return self._issue(identity.name, name, number, parameters)

    def issue_first(self, actor: str, name: str, number: int) -> tuple[str, ...]:
        """The certificate of a new version as well as it can be had; returns what went wrong as sentences."""
        try:
            self._issue(actor, name, number, CertificateParameters())
        except (SignerError, TokenError) as error:
            return (f"version {number} has no certificate yet ({error.code}), make one with keys certificate --new",)
        return ()

    def request(
        self, identity: Identity, name: str, number: int, parameters: CertificateParameters
    ) -> CertificateRequest:
        """A request to take to a CA; ``parameters.days`` is the CA's to decide and is not looked at.

        Raises as ``issue`` does.
        """
        self._access.require(identity, Action.MANAGE, name)
        now = self._clock.now()
        key = self._store.key(name)
        version = require_state(key, key.version(number), CertificateStep.REQUEST)
        signs_until(key, version, now=now)
        builder = x509.CertificateSigningRequestBuilder(checked_subject(parameters.unverified_subject, name))
        for extension in own_extensions(key.purpose):
            builder = builder.add_extension(extension, critical=True)
        if names := checked_names(parameters.unverified_names):
            builder = builder.add_extension(names, critical=False)
        # The builder puts the content together; nothing that a caller sent reaches the token as it is.
        with self._keys.private_key(key, version, CertificateRequestContent) as private_key:
            made = builder.sign(private_key, builder_hash(private_key))
            if not made.is_signature_valid:
                raise InvalidSignature
        subject = made.subject.rfc4514_string()
        digest = hashlib.sha256(made.public_bytes(Encoding.DER)).hexdigest()
        facts: dict[str, object] = {"request": digest, "subject": subject}
        self._store.record(_event(EventType.REQUEST_ISSUED, identity.name, key, number, {}, facts))
        return CertificateRequest(pem=made.public_bytes(Encoding.PEM).decode("ascii"), subject=subject)

    def take(self, identity: Identity, name: str, number: int, unverified_pem: bytes) -> Certificate:
        """Import what a CA returned, from now on the version's: the leaf first, then its issuers in order.

        Raises ``StepNotAllowed`` or ``CertificateRejected``.
        """
        self._access.require(identity, Action.MANAGE, name)
        now = self._clock.now()
        key = self._store.key(name)
        version = require_state(key, key.version(number), CertificateStep.IMPORT)
        chain = checked_chain(
            unverified_pem, spki=pinned(key, version).spki, now=now, ca=key.purpose in CERTIFICATE_AUTHORITIES
        )
        certificate = Certificate(
            pem=_pem(chain.leaf),
            chain_pem="".join(_pem(issuer) for issuer in chain.issuers),
            self_signed=chain.self_signed,
            not_after=chain.leaf.not_valid_after_utc,
            created_at=now,
        )
        self._keep(EventType.CERTIFICATE_IMPORTED, identity.name, key, number, certificate)
        return certificate

    def _issue(self, actor: str, name: str, number: int, parameters: CertificateParameters) -> Certificate:
        now = self._clock.now()
        key = self._store.key(name)
        version = require_state(key, key.version(number), CertificateStep.ISSUE)
        with self._keys.private_key(key, version, CertificateContent) as private_key:
            builder = _self_signed(key, version, private_key.public_key(), parameters, now=now)
            made = builder.sign(private_key, builder_hash(private_key))
            made.verify_directly_issued_by(made)
        certificate = Certificate(
            pem=_pem(made),
            chain_pem="",
            self_signed=True,
            not_after=made.not_valid_after_utc,
            created_at=now,
        )
        self._keep(EventType.CERTIFICATE_ISSUED, actor, key, number, certificate)
        return certificate

    def _keep(self, kind: EventType, actor: str, key: Key, number: int, certificate: Certificate) -> None:
        try:
            before = {"certificate": _facts(self._store.certificate(key, number))["certificate"]}
        except CertificateNotFound:
            before = {"certificate": None}
        self._store.add_certificate(
            key, number, certificate, _event(kind, actor, key, number, before, _facts(certificate))
        )


def _self_signed(
    key: Key, version: KeyVersion, public_key: TokenPublicKey, parameters: CertificateParameters, *, now: datetime
) -> x509.CertificateBuilder:
    subject, names = (
        checked_subject(parameters.unverified_subject, key.name),
        checked_names(parameters.unverified_names),
    )
    begin, end = checked_period(key, version, parameters.days, now=now)
    builder = (
        x509.CertificateBuilder(issuer_name=subject, subject_name=subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    for extension in own_extensions(key.purpose):
        builder = builder.add_extension(extension, critical=True)
    return builder.add_extension(names, critical=False) if names else builder


def _facts(certificate: Certificate) -> dict[str, object]:
    """What an event tells of a certificate."""
    facts = certificate_facts(certificate.pem)
    return {
        "certificate": facts.fingerprint,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "not_after": rfc3339(facts.not_after),
    }


def _event(
    kind: EventType, actor: str, key: Key, number: int, before: dict[str, object], after: dict[str, object]
) -> Event:
    return Event(type=kind, actor=actor, key=key.name, version=number, before=before, after=after)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")
