"""``/v1/keys/{key}/public-keys`` and ``…/versions/{n}/certificate``, ``/csr``: what devices and CAs get of keys."""

from __future__ import annotations

from flask import Response, request

from signer.domain.access.actions import Action
from signer.services.ports import Certificate
from signer.web.certificate_documents import (
    CertificateBody,
    CertificateRequestBody,
    certificate_document,
    publication_document,
    request_document,
)
from signer.web.context import answer, authorised, json_body, service
from signer.web.native_keys import PEM_MEDIA_TYPE
from signer.web.parsing import parsed

JSON_MEDIA_TYPE = "application/json"
CREATED = 201


def public_keys(key: str) -> Response:
    """What a device should trust now: JSON, or with ``Accept: application/x-pem-file`` a PEM bundle."""
    authorised(Action.READ, key)
    publication = service().publication.public_keys(key)
    if _preferred(JSON_MEDIA_TYPE, PEM_MEDIA_TYPE) == JSON_MEDIA_TYPE:
        return answer(publication_document(publication))
    return _pem(b"".join(item.pem for item in publication.versions))


def show_certificate(key: str, number: int) -> Response:
    """The certificate with its chain."""
    authorised(Action.READ, key)
    return _certificate(key, number, service().certificates.current(key, number))


def issue_certificate(key: str, number: int) -> Response:
    """Make a self-signed certificate."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(CertificateBody, json_body())
    return _certificate(key, number, service().certificates.issue(identity, key, number, body.parameters), CREATED)


def import_certificate(key: str, number: int) -> Response:
    """Body: the certificate that a CA returned in PEM, then its issuers in order."""
    identity = authorised(Action.MANAGE, key)
    return _certificate(key, number, service().certificates.take(identity, key, number, json_body()))


def request_certificate(key: str, number: int) -> Response:
    """Make a certificate signing request."""
    identity = authorised(Action.MANAGE, key)
    body = parsed(CertificateRequestBody, json_body())
    made = service().certificates.request(identity, key, number, body.parameters)
    if _preferred(PEM_MEDIA_TYPE, JSON_MEDIA_TYPE) == JSON_MEDIA_TYPE:
        return answer(request_document(key, number, made))
    return _pem(made.pem.encode("ascii"))


def _certificate(key: str, number: int, certificate: Certificate, status: int = 200) -> Response:
    if _preferred(PEM_MEDIA_TYPE, JSON_MEDIA_TYPE) == JSON_MEDIA_TYPE:
        return answer(certificate_document(key, number, certificate), status)
    return _pem((certificate.pem + certificate.chain_pem).encode("ascii"), status)


def _preferred(default: str, other: str) -> str:
    """Which of the two the client asks for."""
    return request.accept_mimetypes.best_match([default, other], default=default) or default


def _pem(content: bytes, status: int = 200) -> Response:
    return Response(content, status=status, content_type=PEM_MEDIA_TYPE)
