"""Certificates of devices, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.device_certificate_documents import (
    DeviceCertificateDocument,
    DeviceCertificateList,
    RevokedSerialList,
)
from signer.web.native_device_certificates import (
    DeviceCertificatesQuery,
    IssueDeviceCertificateBody,
    RevokeDeviceCertificateBody,
)
from signer.web.openapi.operation import PEM_MEDIA_TYPE, TEXT, Operation, text, told
from signer.web.openapi.refusals import RECORD, SHOWN, of_tokens
from signer.web.openapi.security import DEVICE_TOKEN, NOTHING


class RevocationDone(TypedDict):
    """Whether anything changed."""

    changed: bool


_CA = ("client-ca-not-found", "device-ca-not-issuing")
_SIGNED = (
    *of_tokens(), "key-not-found", "step-not-allowed", "version-expired", "version-quarantined", "version-has-no-pair",
    "certificate-not-found", "certificate-rejected", "message-not-allowed", "state-changed",
)  # fmt: skip
_ISSUED = (
    *_CA, *_SIGNED, "certificate-request-invalid", "device-key-invalid", "device-key-taken", "device-name-unfit",
    "device-certificates-exhausted", "device-ca-inactive", "device-ca-not-trusted",
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "renew_device_certificate": Operation(
            summary="The next certificate of a device, which shows the one before.",
            body={PEM_MEDIA_TYPE: TEXT},
            answers=text(PEM_MEDIA_TYPE, "The certificate.", Cache_Control="`no-store`."),
            refusals=(
                *_ISSUED,
                *SHOWN,
                "device-refused",
                "device-certificate-not-due",
                "too-many-attempts",
                "token-states-unavailable",
            ),
            security=(DEVICE_TOKEN,),
        ),
        "list_device_certificates": Operation(
            summary="Certificates of devices that were issued here, by serial number.",
            query=(DeviceCertificatesQuery,),
            answers=told(DeviceCertificateList),
            refusals=("device-not-found",),
        ),
        "issue_device_certificate": Operation(
            summary="Issue a certificate for the key of a device.",
            body=IssueDeviceCertificateBody,
            answers=told(DeviceCertificateDocument, status=201),
            refusals=(*_ISSUED, "device-identity-invalid", "device-not-found"),
        ),
        "revoke_device_certificate": Operation(
            summary="Let the certificate of a device prove nothing any more, for ever.",
            body=RevokeDeviceCertificateBody,
            answers=told(RevocationDone),
            refusals=("client-ca-not-found", "serial-number-invalid", "reason-invalid"),
        ),
        "list_revoked_serials": Operation(
            summary="The serial numbers that are revoked of a CA of devices.",
            answers=told(RevokedSerialList),
            refusals=("client-ca-not-found",),
        ),
        "device_revocation_list": Operation(
            summary="The lists of revoked certificates that a CA of devices has signed.",
            answers=text(PEM_MEDIA_TYPE, "Blocks `X509 CRL`, one for each version of its key that is in use."),
            refusals=(*_CA, *_SIGNED, *RECORD),
            security=(NOTHING,),
        ),
    }
)
