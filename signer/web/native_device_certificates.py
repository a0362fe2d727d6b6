"""``/v1/device-certificates``: certificates of devices, for those who look after them, and lists of revoked ones."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

from flask import Response, request
from pydantic import Field

from signer.domain.access.actions import Action
from signer.domain.device_identity import DeviceIdentity
from signer.errors import InvalidRequest
from signer.services.device_certificate_administration import CertificateWish
from signer.services.device_certificate_documents import issued_document, list_document, serials_document
from signer.web.context import answer, authorised, json_body, service
from signer.web.native_keys import PEM_MEDIA_TYPE
from signer.web.parsing import Body, Query, QueryNumber, parsed, parsed_query

CREATED = 201
MAX_LIMIT, MAX_DAYS = 1000, 36_500


class DeviceCertificatesQuery(Query):
    """``GET /v1/device-certificates``. ``within_days``: those that end in this time."""

    ca: str | None = None
    device: str | None = None
    within_days: Annotated[QueryNumber, Field(le=MAX_DAYS)] | None = None
    after: Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")] = ""
    limit: Annotated[QueryNumber, Field(ge=1, le=MAX_LIMIT)] = 100


class IssueDeviceCertificateBody(Body):
    """``POST /v1/device-certificates``: for a device by its id, or by an identity that need not be known."""

    ca: str
    csr: str
    device: str | None = None
    identity: dict[str, Any] | None = None


class RevokeDeviceCertificateBody(Body):
    """``POST /v1/device-certificates/revoke``."""

    ca: str
    serial: str
    reason: str


def list_device_certificates() -> Response:
    """What was issued here."""
    authorised(Action.MANAGE_DEVICES)
    asked = parsed_query(DeviceCertificatesQuery, request.args.items(multi=True))
    wish = CertificateWish(
        ca=asked.ca,
        device=asked.device,
        within=None if asked.within_days is None else timedelta(days=asked.within_days),
        after=asked.after,
        limit=asked.limit,
    )
    return answer(list_document(service().administration.device_certificates.certificates(wish)))


def issue_device_certificate() -> Response:
    """A certificate for the key of a request."""
    identity = authorised(Action.MANAGE_DEVICES)
    body = parsed(IssueDeviceCertificateBody, json_body())
    made = service().device_ca.issue(body.ca, body.csr.encode("utf-8"), _whose(body), actor=identity.name)
    return answer(issued_document(made), CREATED)


def revoke_device_certificate() -> Response:
    """Let one prove nothing any more."""
    identity = authorised(Action.MANAGE_DEVICES)
    body = parsed(RevokeDeviceCertificateBody, json_body())
    certificates = service().administration.device_certificates
    done = certificates.revoke(body.ca, body.serial, reason=body.reason, actor=identity.name)
    return answer({"changed": done})


def list_revoked_serials(ca: str) -> Response:
    """The serial numbers that are revoked of a CA."""
    authorised(Action.MANAGE_DEVICES)
    return answer(serials_document(ca, service().administration.device_certificates.revoked(ca)))


def device_revocation_list(ca: str) -> Response:
    """The lists that the versions of the CA's key have signed, PEM; for everybody, who has no use for credentials."""
    return Response(service().device_revocation_lists.pem(ca), content_type=PEM_MEDIA_TYPE)


def _whose(body: IssueDeviceCertificateBody) -> DeviceIdentity:
    if (body.device is None) == (body.identity is None):
        raise InvalidRequest(problems=("either device or identity says whose certificate it is",))
    if body.device is not None:
        return service().administration.device_certificates.identity(body.device)
    return DeviceIdentity.of_text(json.dumps(body.identity))
