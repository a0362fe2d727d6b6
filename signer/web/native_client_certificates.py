"""``/v1/client-certificates``: which of them prove nothing any more, for those who administer access."""

from __future__ import annotations

from flask import Response

from signer.domain.access.actions import Action
from signer.services.access_documents import revoked_document
from signer.web.context import answer, authorised, json_body, service
from signer.web.parsing import Body, parsed


class RevokeBody(Body):
    """``POST /v1/client-certificates/revoke``."""

    ca: str
    serial: str
    reason: str


def list_revoked_certificates() -> Response:
    """All that are revoked, by CA and serial number."""
    authorised(Action.READ_LOG)
    return answer(revoked_document(service().administration.client_certificates.revoked()))


def revoke_client_certificate() -> Response:
    """Let one prove nothing any more."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(RevokeBody, json_body())
    certificates = service().administration.client_certificates
    done = certificates.revoke(body.ca, body.serial, reason=body.reason, actor=identity.name)
    return answer({"changed": done})
