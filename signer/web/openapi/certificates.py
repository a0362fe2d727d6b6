"""Published keys and certificates of versions, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.web.certificate_documents import (
    CertificateBody,
    CertificateDocument,
    CertificateRequestBody,
    PublicationDocument,
    RequestDocument,
)
from signer.web.openapi.operation import JSON_MEDIA_TYPE, PEM_MEDIA_TYPE, TEXT, Operation, Shape, Told
from signer.web.openapi.refusals import VERSION, of_tokens


def _either(shape: Shape, description: str, status: int = 200) -> Mapping[int, Told]:
    return {status: Told(description=description, content={PEM_MEDIA_TYPE: TEXT, JSON_MEDIA_TYPE: shape})}


_MADE = (
    *VERSION, *of_tokens(), "step-not-allowed", "certificate-rejected", "version-expired", "version-quarantined",
    "version-has-no-pair", "state-changed",
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "public_keys": Operation(
            summary="The public keys that a device should trust now.",
            answers=_either(PublicationDocument, "JSON, or with `Accept: application/x-pem-file` their PEM blocks."),
            refusals=("no-trusted-version",),
        ),
        "show_certificate": Operation(
            summary="The certificate of a version, with its issuers.",
            answers=_either(CertificateDocument, "PEM, or with `Accept: application/json` JSON."),
            refusals=(*VERSION, "certificate-not-found", "version-has-no-pair"),
        ),
        "issue_certificate": Operation(
            summary="Make a self-signed certificate in the token.",
            body=CertificateBody,
            answers=_either(CertificateDocument, "PEM, or with `Accept: application/json` JSON.", 201),
            refusals=_MADE,
        ),
        "import_certificate": Operation(
            summary="Import the certificate that a CA returned, with its issuers.",
            body={PEM_MEDIA_TYPE: TEXT},
            answers=_either(CertificateDocument, "PEM, or with `Accept: application/json` JSON."),
            refusals=_MADE,
        ),
        "request_certificate": Operation(
            summary="Make a certificate signing request in the token.",
            body=CertificateRequestBody,
            answers=_either(RequestDocument, "PKCS#10 in PEM, or with `Accept: application/json` JSON."),
            refusals=_MADE,
        ),
    }
)
