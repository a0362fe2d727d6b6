"""Sessions of CI jobs, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.services.access_documents import CiSessionList
from signer.web.front.ci import ExchangeBody, ExchangedSession
from signer.web.native_ci_sessions import RevocationBody
from signer.web.openapi.operation import Operation, told


class RevokedSessions(TypedDict):
    """How many held until now."""

    revoked: int


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "exchange_ci_token": Operation(
            summary="Exchange the OpenID Connect token of a CI job for a session.",
            body=ExchangeBody,
            answers=told(ExchangedSession, status=201, Cache_Control="`no-store`."),
            refusals=(
                "credentials-rejected",
                "too-many-attempts",
                "ci-keys-unavailable",
                "ci-sessions-exhausted",
                "policy-missing",
                "policy-tampered",
            ),
        ),
        "list_ci_sessions": Operation(
            summary="The sessions that are not over, the oldest first.", answers=told(CiSessionList)
        ),
        "revoke_ci_sessions": Operation(
            summary="End sessions before their time.",
            body=RevocationBody,
            answers=told(RevokedSessions),
            refusals=("ci-session-not-found", "reason-invalid", "principal-invalid"),
        ),
    }
)
