"""``/v1/ci-sessions``: what CI jobs hold now, for those who administer access."""

from __future__ import annotations

from typing import Self

from flask import Response
from pydantic import model_validator

from signer.domain.access.actions import Action
from signer.services.access_documents import ci_sessions_document
from signer.web.context import answer, authorised, json_body, service
from signer.web.parsing import Body, parsed


class RevocationBody(Body):
    """``POST /v1/ci-sessions/revoke``: one session by its id, or all of an identity."""

    session: str | None = None
    identity: str | None = None
    reason: str

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.session is None) == (self.identity is None):
            raise ValueError("takes one of session and identity")
        return self


def list_ci_sessions() -> Response:
    """All sessions that are not over."""
    authorised(Action.READ_LOG)
    return answer(ci_sessions_document(service().administration.ci_sessions.sessions()))


def revoke_ci_sessions() -> Response:
    """End sessions before their time."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(RevocationBody, json_body())
    sessions = service().administration.ci_sessions
    if body.session is not None:
        return answer({"revoked": sessions.revoke(body.session, reason=body.reason, actor=identity.name)})
    revoked = sessions.revoke_all(str(body.identity), reason=body.reason, actor=identity.name)
    return answer({"revoked": revoked})
