"""``/v1/server-certificates``: certificates of TLS servers, for those who administer; bundles for everybody known."""

from __future__ import annotations

from flask import Response

from signer.domain.access.actions import Action
from signer.services.server_certificate_documents import server_certificate_document, servers_document
from signer.services.server_certificates import ServerCertificateAdministration, ServerCertificateRequest
from signer.web.context import answer, authenticated, authorised, json_body, service
from signer.web.native_keys import PEM_MEDIA_TYPE
from signer.web.parsing import Body, parsed

CREATED = 201


class ServerRequestBody(Body):
    """``POST …/csr``: what to say. ``san``: ``dns:…``, ``ip:…``; none: as the active certificate."""

    subject: str | None = None
    san: tuple[str, ...] = ()

    @property
    def request(self) -> ServerCertificateRequest:
        """The same as a value of the service."""
        return ServerCertificateRequest(unverified_subject=self.subject, unverified_names=self.san)


class ServerCertificateBody(ServerRequestBody):
    """``POST …/create``. ``ca``: a key of purpose ``server-ca``; ``csr``: a PKCS#10 request in PEM."""

    days: int | None = None
    ca: str | None = None
    csr: str | None = None

    @property
    def request(self) -> ServerCertificateRequest:
        """The same as a value of the service."""
        return ServerCertificateRequest(
            unverified_subject=self.subject,
            unverified_names=self.san,
            days=self.days,
            ca=self.ca,
            unverified_request=None if self.csr is None else self.csr.encode(),
        )


class ImportBody(Body):
    """``POST …/import``. ``certificate``: PEM, the server's own and then its issuers in order."""

    certificate: str


class SwitchBody(Body):
    """``POST …/switch``. ``force``: although the bundle has not been out for long enough."""

    force: bool = False
    reason: str | None = None


class RetireBody(Body):
    """``POST …/retire``. ``certificate``: its SHA-256, or the beginning of it."""

    certificate: str


def list_server_certificates() -> Response:
    """All servers, with all their certificates."""
    authorised(Action.READ_LOG)
    return answer(servers_document(_kept().servers()))


def show_server_certificates(name: str) -> Response:
    """Those of one server."""
    authorised(Action.READ_LOG)
    return answer(servers_document([_kept().server(name)]))


def create_server_certificate(name: str) -> Response:
    """Make its next certificate."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(ServerCertificateBody, json_body())
    issue = service().certificate_authority.issue_by
    made = _kept().create(name, body.request, actor=identity.name, issue=issue)
    return answer(server_certificate_document(made), CREATED)


def request_server_certificate(name: str) -> Response:
    """Make a pair and a request for a CA."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(ServerRequestBody, json_body())
    return answer({"server": name, "request": _kept().request(name, body.request, actor=identity.name)}, CREATED)


def import_server_certificate(name: str) -> Response:
    """Take in a certificate that was made elsewhere."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(ImportBody, json_body())
    taken = _kept().take(name, body.certificate.encode(), actor=identity.name)
    return answer(server_certificate_document(taken), CREATED)


def switch_server_certificate(name: str) -> Response:
    """Let the next certificate be the active one."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(SwitchBody, json_body())
    done = _kept().switch(name, force=body.force, reason=body.reason, actor=identity.name)
    return answer(servers_document([_kept().server(done.name)]))


def retire_server_certificate(name: str) -> Response:
    """Take one from the bundle."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(RetireBody, json_body())
    gone = _kept().retire(name, body.certificate, actor=identity.name)
    return answer(servers_document([_kept().server(gone.name)]))


def server_certificate_bundle(name: str) -> Response:
    """What devices should trust, in PEM. It holds what every handshake shows, so any credential is enough."""
    text = _kept().bundle(name, actor=authenticated().name)
    return Response(text.encode("ascii"), content_type=PEM_MEDIA_TYPE)


def _kept() -> ServerCertificateAdministration:
    return service().administration.server_certificates
