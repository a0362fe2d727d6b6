"""Approvals of signatures: bound to the manifest, the version of the key, the rule that asks, and who asks."""

from __future__ import annotations

import asyncio
import json

from signer.domain.access.decisions import NeedsApproval
from signer.domain.approvals import ProposalKind, Requester, Subject
from signer.domain.identity import Identity
from signer.domain.requests import AnyRequest, ArtifactSeen, kept_content, signed_sha256
from signer.services.approval_ports import GivenApproval
from signer.services.asking import ApprovalDesk


class SignatureApprovals:
    """For one event loop; the database is asked in a thread."""

    def __init__(self, *, desk: ApprovalDesk) -> None:
        self._desk = desk

    async def given(
        self, identity: Identity, key: str, version: int, request: AnyRequest, needs: NeedsApproval
    ) -> GivenApproval:
        """The approval of this signature; raises as ``ApprovalDesk.given``."""
        subject = Subject(
            kind=ProposalKind.SIGNATURE,
            name=key,
            key=key,
            key_version=version,
            sha256=signed_sha256(request),
            demands=needs.demands,
            rule=needs.rule,
            rule_sha256=needs.rule_sha256,
        )
        return await asyncio.to_thread(
            self._desk.given,
            subject,
            Requester(identity=identity.name, person=identity.person),
            document=_document(request),
            content=kept_content(request),
        )


def _document(request: AnyRequest) -> str:
    """What the head does not tell: how much was seen, and sizes where all of it was."""
    seen: dict[str, object] = {"checked": request.checked.value}
    if isinstance(request, ArtifactSeen):
        seen["sizes"] = dict(request.sizes)
    return json.dumps(seen, sort_keys=True)
