"""JSON forms of the certificates of servers, for the API and for commands."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import TypedDict

from signer.domain.certificate_facts import certificate_facts
from signer.domain.server_certificates import (
    PrivateHalf,
    ServerCertificate,
    ServerCertificates,
    ServerCertificateState,
)
from signer.domain.timestamps import Moment, rfc3339


class ServerCertificateDocument(TypedDict):
    """A certificate of a server. Digests are SHA-256 in hex; ``chain`` its issuers, its own first, PEM."""

    server: str
    state: ServerCertificateState
    certificate_sha256: str
    public_key_sha256: str
    subject: str
    issuer: str
    serial: str
    san: list[str]
    not_before: Moment
    not_after: Moment
    private_half: PrivateHalf
    ca_key: str | None
    ca_version: int | None
    created_at: Moment
    created_by: str
    published_at: Moment | None
    switched_at: Moment | None
    retired_at: Moment | None
    certificate: str
    chain: str


class ServerCertificateList(TypedDict):
    """Those of one server or of all, by name, then oldest first."""

    server_certificates: list[ServerCertificateDocument]


def server_certificate_document(certificate: ServerCertificate) -> ServerCertificateDocument:
    """One certificate, with what it says."""
    facts = certificate_facts(certificate.pem)
    return {
        "server": certificate.name,
        "state": certificate.state,
        "certificate_sha256": certificate.fingerprint,
        "public_key_sha256": certificate.spki_sha256,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "san": list(facts.names),
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "private_half": certificate.private_half,
        "ca_key": certificate.ca_key,
        "ca_version": certificate.ca_version,
        "created_at": rfc3339(certificate.created_at),
        "created_by": certificate.created_by,
        "published_at": rfc3339(certificate.published_at),
        "switched_at": rfc3339(certificate.switched_at),
        "retired_at": rfc3339(certificate.retired_at),
        "certificate": certificate.pem,
        "chain": certificate.chain_pem,
    }


def servers_document(servers: Iterable[ServerCertificates]) -> ServerCertificateList:
    """All certificates of some servers, oldest first."""
    return {
        "server_certificates": [server_certificate_document(each) for server in servers for each in server.certificates]
    }
