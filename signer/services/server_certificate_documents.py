"""JSON forms of the certificates of servers, for the API and for commands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from signer.domain.certificate_facts import certificate_facts
from signer.domain.server_certificates import ServerCertificate, ServerCertificates
from signer.domain.timestamps import rfc3339


def server_certificate_document(certificate: ServerCertificate) -> dict[str, Any]:
    """One certificate, with what it says."""
    facts = certificate_facts(certificate.pem)
    return {
        "server": certificate.name,
        "state": certificate.state.value,
        "certificate_sha256": certificate.fingerprint,
        "public_key_sha256": certificate.spki_sha256,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial": facts.serial,
        "san": list(facts.names),
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "private_half": certificate.private_half.value,
        "ca_key": certificate.ca_key,
        "ca_version": certificate.ca_version,
        "created_at": rfc3339(certificate.created_at),
        "created_by": certificate.created_by,
        "published_at": _moment(certificate.published_at),
        "switched_at": _moment(certificate.switched_at),
        "retired_at": _moment(certificate.retired_at),
        "certificate": certificate.pem,
        "chain": certificate.chain_pem,
    }


def servers_document(servers: Iterable[ServerCertificates]) -> dict[str, Any]:
    """All certificates of some servers, oldest first."""
    return {
        "server_certificates": [server_certificate_document(each) for server in servers for each in server.certificates]
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
