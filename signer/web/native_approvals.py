"""``/v1/approvals``: what waits for people, and what they say."""

from __future__ import annotations

from typing import Annotated

from flask import Response
from pydantic import AfterValidator, Field, WithJsonSchema

from signer.domain.approvals import Ballot
from signer.services.approval_documents import shown_document, waiting_document
from signer.services.approvals import Ask
from signer.web.context import answer, authenticated, json_body, service
from signer.web.parsing import Body, parsed

MAX_REASON_CHARACTERS = 400


def _ballot(text: str) -> str:
    if text not in tuple(Ballot):
        raise ValueError(f"must be one of {', '.join(Ballot)}")
    return text


Decision = Annotated[str, AfterValidator(_ballot), WithJsonSchema({"type": "string", "enum": [*Ballot]})]


class VoteBody(Body):
    """``POST /v1/approvals/{approval}/votes``. ``sha256``: of what the caller saw; a rejection may do without."""

    decision: Decision
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    reason: str | None = Field(None, max_length=MAX_REASON_CHARACTERS)


def list_approvals() -> Response:
    """All that the caller may see, the oldest first."""
    found = service().approvals.waiting(authenticated())
    return answer({"approvals": [waiting_document(each) for each in found]})


def show_approval(approval: str) -> Response:
    """One, with all that people approve by."""
    waiting = service().approvals.show(authenticated(), approval)
    return answer(shown_document(waiting, service().approval_contents.of(waiting.proposal)))


def vote(approval: str) -> Response:
    """Approve it, or reject it for good."""
    identity = authenticated()
    body = parsed(VoteBody, json_body())
    ask = Ask(ballot=Ballot(body.decision), sha256=body.sha256, reason=body.reason)
    return answer(waiting_document(service().approvals.vote(identity, approval, ask)))
