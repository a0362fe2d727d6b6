"""``/v1/api-tokens``: API tokens, for those who administer access."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from flask import Response
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from signer.domain.access.actions import Action
from signer.domain.access.patterns import Pattern
from signer.domain.api_tokens import NewApiToken, scope_of
from signer.web.context import answer, authorised, json_body, service
from signer.web.parsing import Body, Timestamp, parsed

CREATED = 201
MOST_PATTERNS = 64
LONGEST_SECONDS = 100 * 365 * 24 * 3600
MAX_REASON_CHARACTERS = 400


def _pattern(text: str) -> str:
    return Pattern(text).text


def _action(text: str) -> str:
    if text not in tuple(Action):
        raise ValueError(f"must be one of {', '.join(Action)}")
    return text


ActionName = Annotated[str, AfterValidator(_action), WithJsonSchema({"type": "string", "enum": [*Action]})]


class NewApiTokenBody(Body):
    """``POST /v1/api-tokens``."""

    name: str
    role: str | None = None
    person: str | None = None
    keys: list[Annotated[str, AfterValidator(_pattern)]] | None = Field(None, min_length=1, max_length=MOST_PATTERNS)
    actions: list[ActionName] | None = Field(None, min_length=1, max_length=len(Action))
    expires_at: Timestamp | None = None
    expires_in: int | None = Field(None, ge=1, le=LONGEST_SECONDS)

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.expires_at is not None and self.expires_in is not None:
            raise ValueError("takes one of expires_at and expires_in")
        return self

    @property
    def new(self) -> NewApiToken:
        """The same as a value of the domain."""
        return NewApiToken(
            name=self.name,
            role=self.role,
            person=self.person,
            scope=scope_of(self.keys, self.actions),
            expires_at=self.expires_at,
        )


class ReinstateBody(Body):
    """``POST /v1/api-tokens/{name}/reinstate``."""

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARACTERS)


def list_api_tokens() -> Response:
    """All by name, revoked ones too."""
    authorised(Action.ADMINISTER)
    return answer({"api_tokens": [token.document for token in service().api_tokens.all_tokens()]})


def create_api_token() -> Response:
    """Make one; the only answer that has its text."""
    identity = authorised(Action.ADMINISTER)
    body = parsed(NewApiTokenBody, json_body())
    lifetime = None if body.expires_in is None else timedelta(seconds=body.expires_in)
    issued = service().api_tokens.create(body.new, lifetime=lifetime, actor=identity.name)
    made = answer({**issued.token.document, "api_token": issued.text}, CREATED)
    made.headers["Cache-Control"] = "no-store"
    return made


def show_api_token(name: str) -> Response:
    """One."""
    authorised(Action.ADMINISTER)
    return answer(service().api_tokens.token(name).document)


def revoke_api_token(name: str) -> Response:
    """It proves nothing any more, for ever."""
    identity = authorised(Action.ADMINISTER)
    parsed(Body, json_body())
    done = service().api_tokens.revoke(name, actor=identity.name)
    return answer({**service().api_tokens.token(name).document, "changed": done})


def reinstate_api_token(name: str) -> Response:
    """One that a restore has suspended proves again what it did."""
    identity = authorised(Action.ADMINISTER)
    reason = parsed(ReinstateBody, json_body()).reason
    done = service().api_tokens.reinstate(name, reason=reason, actor=identity.name)
    return answer({**service().api_tokens.token(name).document, "changed": done})
