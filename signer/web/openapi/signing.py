"""Signing, as OpenAPI has it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.web.batch_documents import BatchBody, BatchDocument
from signer.web.dialect_documents import HeadDocument
from signer.web.documents import SignatureDocument, SignQuery
from signer.web.openapi.operation import (
    BYTES,
    BYTES_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    TEXT,
    TEXT_MEDIA_TYPE,
    Operation,
    Parameter,
    Told,
    told,
)
from signer.web.openapi.refusals import APPROVALS, RECORD, of_artifacts, of_tokens

ARTIFACT_MEDIA_TYPE = "application/vnd.mender-artifact"
_HEADERS = {
    "X-Signing-Key-Version": "The number of the version that signed. With `text/plain`, and with an artifact.",
    "X-Signing-Key-Fingerprint": "SHA-256 of its SubjectPublicKeyInfo, lowercase hex.",
    "X-Signing-Log-Index": "The index of the leaf that records the signature.",
}
_EMERGENCY = Parameter(
    name="X-Signing-Emergency-Reason", description="Has it signed past its approvals, for this reason."
)
# What all say no with.
REFUSALS = (
    *RECORD, *APPROVALS, *of_tokens(), *of_artifacts(),
    "empty-body", "artifact-incomplete", "signed-already", "message-not-allowed", "no-active-version",
    "version-not-yet-valid", "version-expired", "version-has-no-pair", "version-quarantined", "signature-limit-reached",
    "rate-limited", "signature-count-reached", "reason-invalid", "version-too-old", "version-step-too-large",
    "version-places-too-long", "step-not-allowed", "state-changed", "manifest-recalled",
)  # fmt: skip
# Items also have the others, in their answers.
_OF_BATCHES = ("batch-empty", "batch-too-long", "batches-exhausted", "batch-item-invalid", "batch-item-too-large")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "sign": Operation(
            summary="Sign a manifest, the head of an artifact or a whole artifact, and get the signature.",
            body={BYTES_MEDIA_TYPE: BYTES},
            query=(SignQuery,),
            parameters=(_EMERGENCY,),
            answers={
                200: Told(
                    description="The signature: JSON, or exactly the bytes of `manifest.sig`.",
                    content={JSON_MEDIA_TYPE: SignatureDocument, TEXT_MEDIA_TYPE: TEXT},
                    headers=_HEADERS,
                )
            },
            refusals=REFUSALS,
        ),
        "register_head": Operation(
            summary="Show the head of an artifact, so that a digest may name it for ten minutes.",
            body={BYTES_MEDIA_TYPE: BYTES},
            query=(SignQuery,),
            parameters=(_EMERGENCY,),
            answers=told(HeadDocument, "It is registered.", status=201),
            refusals=(*REFUSALS, "head-required", "heads-exhausted", "blind-sign-off"),
        ),
        "sign_batch": Operation(
            summary="Sign many manifests or heads, each answered on its own.",
            body=BatchBody,
            query=(SignQuery,),
            parameters=(_EMERGENCY,),
            answers=told(BatchDocument, "An answer for each item, in order."),
            refusals=(*REFUSALS, *_OF_BATCHES),
        ),
        "sign_artifact": Operation(
            summary="Send a whole artifact, and get it back signed.",
            body={BYTES_MEDIA_TYPE: BYTES},
            query=(SignQuery,),
            parameters=(_EMERGENCY,),
            answers={
                200: Told(
                    description="The artifact, with the signature.",
                    content={ARTIFACT_MEDIA_TYPE: BYTES},
                    headers=_HEADERS,
                )
            },
            refusals=(*REFUSALS, "spool-full", "spool-unusable"),
        ),
    }
)
