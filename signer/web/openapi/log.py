"""The log, as OpenAPI has it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.recall_documents import RecallDocument
from signer.web.log_documents import (
    ConsistencyDocument,
    EntriesQuery,
    GrowthProofQuery,
    InclusionDocument,
    LeafProofQuery,
    LogPage,
    NoQuery,
    SignatureProofQuery,
)
from signer.web.native_recalls import RecallBody
from signer.web.openapi.operation import BYTES, BYTES_MEDIA_TYPE, TEXT_MEDIA_TYPE, Operation, Told, text, told
from signer.web.openapi.refusals import LOG, of_tokens

_READ = (*LOG, "invalid-request")
_TILE = (*_READ, "log-path-invalid", "log-beyond-checkpoint")


class VerifierKeys(TypedDict):
    """Each `name+id+key` (C2SP signed-note)."""

    keys: list[str]


def _bytes(description: str) -> Mapping[int, Told]:
    return {200: Told(description=description, content={BYTES_MEDIA_TYPE: BYTES})}


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "log_checkpoint": Operation(
            summary="The newest checkpoint: the size and root of the log, signed.",
            query=(NoQuery,),
            answers=text(TEXT_MEDIA_TYPE, "A signed note (C2SP tlog-checkpoint)."),
            refusals=_READ,
        ),
        "log_keys": Operation(
            summary="The keys that checkpoints are verified with.",
            query=(NoQuery,),
            answers=told(VerifierKeys),
            refusals=_READ,
        ),
        "log_recalled": Operation(
            summary="All recalled manifests, as a signed list for devices.",
            query=(NoQuery,),
            answers=text(TEXT_MEDIA_TYPE, "A signed note of the log's key."),
            refusals=(*_READ, *of_tokens()),
        ),
        "recall_release": Operation(
            summary="Recall a release: no key signs its manifest again, and no signature of it is given out.",
            body=RecallBody,
            answers=told(RecallDocument),
            refusals=("manifest-not-signed", "recalls-exhausted", "reason-invalid"),
        ),
        "log_tile": Operation(
            summary="A tile of hashes.",
            query=(NoQuery,),
            answers=_bytes("Up to 256 hashes of 32 bytes."),
            refusals=_TILE,
        ),
        "log_bundle": Operation(
            summary="A bundle of leaves.",
            query=(NoQuery,),
            answers=_bytes("Up to 256 leaves, each with its length in two bytes before it, big-endian."),
            refusals=_TILE,
        ),
        "log_entries": Operation(
            summary="Leaves that are looked for, in their order.",
            query=(EntriesQuery,),
            answers=told(LogPage),
            refusals=(*_READ, "log-beyond-checkpoint"),
        ),
        "log_proof": Operation(
            summary="That a leaf or a signature is on record, or that the log only grew.",
            query=(LeafProofQuery, SignatureProofQuery, GrowthProofQuery),
            answers=told(InclusionDocument | ConsistencyDocument),
            refusals=(
                *_READ,
                "log-beyond-checkpoint",
                "log-entry-not-found",
                "log-not-witnessed",
                "key-not-found",
                "manifest-recalled",
            ),
        ),
    }
)
