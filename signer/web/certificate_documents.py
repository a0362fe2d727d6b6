"""JSON forms of certificates and published keys, and the JSON bodies that ask for certificates."""

from __future__ import annotations

from typing import Any

from signer.domain.certificate_facts import certificate_facts
from signer.domain.certificates import CertificateParameters
from signer.domain.timestamps import rfc3339
from signer.services.certificates import CertificateRequest
from signer.services.ports import Certificate
from signer.services.publication import Publication
from signer.web.documents import version_document
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


def certificate_document(key: str, number: int, certificate: Certificate) -> dict[str, Any]:
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


def request_document(key: str, number: int, request: CertificateRequest) -> dict[str, Any]:
    """A certificate signing request of a version."""
    return {"key": key, "version": number, "subject": request.subject, "request": request.pem}


def publication_document(publication: Publication) -> dict[str, Any]:
    """The public keys that devices should trust now, oldest first."""
    key = publication.key
    return {
        "key": key.name,
        "purpose": key.purpose.value,
        "algorithm": key.algorithm.value,
        "public_keys": [
            {
                **{
                    name: version_document(item.version)[name]
                    for name in ("version", "state", "fingerprint", "not_after")
                },
                "public_key": item.pem.decode("ascii"),
            }
            for item in publication.versions
        ],
    }
