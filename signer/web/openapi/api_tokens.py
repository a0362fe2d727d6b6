"""API tokens, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer.domain.api_tokens import ApiTokenDocument
from signer.web.native_api_tokens import NewApiTokenBody, ReinstateBody
from signer.web.openapi.operation import Operation, listed, told
from signer.web.openapi.refusals import APPROVALS
from signer.web.parsing import Body


class IssuedApiToken(ApiTokenDocument):
    """An API token, and its text, told this once."""

    api_token: str


class ChangedApiToken(ApiTokenDocument):
    """An API token, and whether anything changed."""

    changed: bool


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "list_api_tokens": Operation(
            summary="All API tokens by name, revoked ones too.", answers=told(listed("api_tokens", ApiTokenDocument))
        ),
        "create_api_token": Operation(
            summary="Make an API token.",
            body=NewApiTokenBody,
            answers=told(IssuedApiToken, status=201, Cache_Control="`no-store`."),
            refusals=(
                *APPROVALS,
                "invalid-name",
                "api-token-name-taken",
                "api-token-expiry-past",
                "person-not-found",
                "person-disabled",
            ),
        ),
        "show_api_token": Operation(
            summary="One API token.", answers=told(ApiTokenDocument), refusals=("api-token-not-found",)
        ),
        "revoke_api_token": Operation(
            summary="Let an API token prove nothing any more, for ever.",
            body=Body,
            answers=told(ChangedApiToken),
            refusals=("api-token-not-found",),
        ),
        "reinstate_api_token": Operation(
            summary="Take back an API token that a restore of an older database has suspended.",
            body=ReinstateBody,
            answers=told(ChangedApiToken),
            refusals=(*APPROVALS, "api-token-not-found", "reason-invalid"),
        ),
    }
)
