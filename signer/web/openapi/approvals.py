"""What waits for people, as OpenAPI has it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.services.approval_documents import ShownChange, ShownSignature, WaitingDocument
from signer.web.native_approvals import VoteBody
from signer.web.openapi.operation import Operation, listed, told

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "list_approvals": Operation(
            summary="What waits, was approved or rejected, the oldest first, as far as the caller may see it.",
            answers=told(listed("approvals", WaitingDocument)),
        ),
        "show_approval": Operation(
            summary="One, with all that people approve by.",
            answers=told(ShownSignature | ShownChange),
            refusals=("approval-not-found",),
        ),
        "vote": Operation(
            summary="Approve it, or reject it for good.",
            body=VoteBody,
            answers=told(WaitingDocument),
            refusals=(
                "vote-refused",
                "approval-digest-differs",
                "approval-ended",
                "approval-not-found",
                "reason-invalid",
            ),
        ),
    }
)
