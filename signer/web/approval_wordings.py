"""How refusals of what waits for approvals are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

APPROVAL_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.ApprovalRequired: Wording(
            status=403,
            transient=True,
            detail="{about} needs approvals, and these are missing: {lacking}",
            hint="have it approved (artifact-signer approvals show {approval}), then send the same request again",
        ),
        errors.ApprovalRejected: Wording(
            status=403,
            detail="{about} was rejected, which is final",
            hint="artifact-signer approvals show {approval} says by whom and why",
        ),
        errors.ApprovalUnreachable: Wording(
            status=403,
            detail="{about} needs approvals of {demanded}, and without the one who asks there are fewer people",
            hint="add people to the groups; artifact-signer policy apply --config --break-glass is the way past",
        ),
        errors.ApprovalsExhausted: Wording(
            status=429,
            transient=True,
            detail="{limit} requests wait for approvals or were rejected, and there may be no more",
            hint="have them approved; each is forgotten at its end",
        ),
        errors.ApprovalNotFound: Wording(
            status=404,
            detail="nothing waits for approvals as {approval}",
            hint="artifact-signer approvals list shows what does",
        ),
        errors.ApprovalEnded: Wording(status=409, detail="{approval} takes no votes any more: it is {state}"),
        errors.ApprovalDigestDiffers: Wording(
            status=409,
            detail="{approval} waits for approvals of something else than this digest names",
            hint="look at it again: artifact-signer approvals show {approval}",
        ),
        errors.VoteRefused: Wording(status=403, detail="you have no vote on {approval}: {reason}"),
    }
)
