"""JSON forms of certificates and published keys, and the JSON bodies that ask for certificates."""

from __future__ import annotations

from typing_extensions import TypedDict

from hsm.algorithms import Algorithm
from signer.domain.certificate_facts import certificate_facts
from signer.domain.certificates import CertificateParameters
from signer.domain.keys import Purpose, VersionState
from signer.domain.timestamps import Moment, rfc3339
from signer.services.certificates import CertificateRequest
from signer.services.ports import Certificate
from signer.services.publication import Publication
from signer.web.parsing import Body


class CertificateRequestBody(Body):
    """``POST …/versions/{n}/csr``: what to say. ``san``: ``dns:…``, ``email:…``, ``ip:…``, ``uri:…``."""

    subject: str | None = None
    san: tuple[str, ...] = ()

    @property
    def parameters(self) -> CertificateParameters:
        """The same as a value of the domain."""
        return CertificateParameters(unverified_subject=self.subject, unverified_names=self.san)


class CertificateBody(CertificateRequestBody):
    """``POST …/versions/{n}/certificate``. ``days``: how long it is valid; None: as long as the version signs."""

    days: int | None = None

    @property
    def parameters(self) -> CertificateParameters:
        """The same as a value of the domain."""
        return CertificateParameters(unverified_subject=self.subject, unverified_names=self.san, days=self.days)


class CertificateDocument(TypedDict):
    """A certificate of a version, with what its leaf says. ``chain``: PEM of its issuers."""

    key: str
    version: int
    self_signed: bool
    subject: str
    issuer: str
    serial: str
    san: list[str]
    not_before: Moment
    not_after: Moment
    certificate_sha256: str
    certificate: str
    chain: str
    created_at: Moment


class RequestDocument(TypedDict):
    """A certificate signing request of a version, in PEM."""

    key: str
    version: int
    subject: str
    request: str


class PublishedKey(TypedDict):
    """The public key of a version, in PEM."""

    version: int
    state: VersionState
    fingerprint: str | None
    not_after: Moment | None
    public_key: str


class PublicationDocument(TypedDict):
    """The public keys that devices should trust now, oldest first."""

    key: str
    purpose: Purpose
    algorithm: Algorithm
    public_keys: list[PublishedKey]


def certificate_document(key: str, number: int, certificate: Certificate) -> CertificateDocument:
    """A certificate of a version, with what its leaf says."""
    facts = certificate_facts(certificate.pem)
    return {
        "key": key,
        "version": number,
        "self_signed": certificate.self_signed,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "san": list(facts.names),
        "not_before": rfc3339(facts.not_before),
        "not_after": rfc3339(facts.not_after),
        "certificate_sha256": facts.fingerprint,
        "certificate": certificate.pem,
        "chain": certificate.chain_pem,
        "created_at": rfc3339(certificate.created_at),
    }


def request_document(key: str, number: int, request: CertificateRequest) -> RequestDocument:
    """A certificate signing request of a version."""
    return {"key": key, "version": number, "subject": request.subject, "request": request.pem}


def publication_document(publication: Publication) -> PublicationDocument:
    """The public keys that devices should trust now, oldest first."""
    key = publication.key
    return {
        "key": key.name,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "public_keys": [
            {
                "version": item.version.number,
                "state": item.version.state,
                "fingerprint": item.version.fingerprint,
                "not_after": rfc3339(item.version.validity.not_after),
                "public_key": item.pem.decode("ascii"),
            }
            for item in publication.versions
        ],
    }
