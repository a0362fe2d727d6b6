"""Certificates of servers, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.server_certificate_documents import ServerCertificateDocument, ServerCertificateList
from signer.web.native_server_certificates import (
    ImportBody,
    RetireBody,
    ServerCertificateBody,
    ServerRequestBody,
    SwitchBody,
)
from signer.web.openapi.operation import PEM_MEDIA_TYPE, Operation, text, told
from signer.web.openapi.refusals import of_tokens


class ServerRequestDocument(TypedDict):
    """A request for a CA, PKCS#10 in PEM."""

    server: str
    request: str


_READ = ("access-tampered",)
_NAMED = (
    *_READ, "invalid-name", "next-server-certificate-exists", "server-certificate-without-names",
    "certificate-rejected", "server-private-key-unwritable",
)  # fmt: skip
_CHANGED = (*_READ, "server-certificate-not-found", "server-certificates-changed")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "list_server_certificates": Operation(
            summary="All servers, with all their certificates.", answers=told(ServerCertificateList), refusals=_READ
        ),
        "show_server_certificates": Operation(
            summary="The certificates of a server.",
            answers=told(ServerCertificateList),
            refusals=(*_READ, "server-certificate-not-found"),
        ),
        "create_server_certificate": Operation(
            summary="Make the next certificate of a server, self-signed or by a CA whose key is in the token.",
            body=ServerCertificateBody,
            answers=told(ServerCertificateDocument, status=201),
            refusals=(
                *_NAMED,
                *of_tokens(),
                "server-certificate-rejected",
                "server-key-published",
                "key-not-found",
                "no-active-version",
                "certificate-not-found",
                "message-not-allowed",
                "step-not-allowed",
                "version-expired",
                "version-quarantined",
                "version-has-no-pair",
                "server-certificate-on-record",
                "state-changed",
            ),
        ),
        "request_server_certificate": Operation(
            summary="Make a pair for a server, and a request for a CA.",
            body=ServerRequestBody,
            answers=told(ServerRequestDocument, status=201),
            refusals=_NAMED,
        ),
        "import_server_certificate": Operation(
            summary="Take a certificate that was made elsewhere as the next one of a server.",
            body=ImportBody,
            answers=told(ServerCertificateDocument, status=201),
            refusals=(
                *_READ,
                "invalid-name",
                "next-server-certificate-exists",
                "server-certificate-on-record",
                "server-certificate-rejected",
                "server-certificate-without-names",
                "server-key-published",
            ),
        ),
        "switch_server_certificate": Operation(
            summary="Let the next certificate of a server be the active one.",
            body=SwitchBody,
            answers=told(ServerCertificateList),
            refusals=(
                *_CHANGED,
                "no-next-server-certificate",
                "server-bundle-too-new",
                "server-certificate-not-in-force",
                "server-private-key-missing",
                "reason-invalid",
            ),
        ),
        "retire_server_certificate": Operation(
            summary="Take a certificate of a server from its bundle, for ever.",
            body=RetireBody,
            answers=told(ServerCertificateList),
            refusals=(*_CHANGED, "server-certificate-in-use"),
        ),
        "server_certificate_bundle": Operation(
            summary="What devices should trust of a server: previous, active and next.",
            answers=text(PEM_MEDIA_TYPE, "PEM certificates, one after the other."),
            refusals=_CHANGED,
        ),
    }
)
