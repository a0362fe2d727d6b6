"""What gateways ask, and the keys of tokens, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from typing_extensions import TypedDict

from signer.web.log_documents import NoQuery
from signer.web.openapi.operation import Operation, Parameter, Told, nothing
from signer.web.openapi.security import DEVICE_TOKEN, USER_TOKEN

KEY_SET_MEDIA_TYPE = "application/jwk-set+json"
_ASKED_ABOUT = (
    Parameter(name="X-Forwarded-Method", description="The method of the request that is asked about.", required=True),
    Parameter(name="X-Forwarded-Uri", description="Its path and query.", required=True),
)
_REFUSALS = (
    "token-not-admitted", "addon-not-enabled", "requests-limited", "token-states-unavailable",
    "forwarded-request-invalid",
)  # fmt: skip


class KeySet(TypedDict):
    """A set of JSON Web Keys (RFC 7517)."""

    keys: list[dict[str, Any]]


def _verify(whose: str, scheme: str) -> Operation:
    return Operation(
        summary=f"Whether a request with this token of a {whose} may go on. Over the gateway's socket alone.",
        parameters=_ASKED_ABOUT,
        answers=nothing(200, "It may."),
        refusals=_REFUSALS,
        security=(scheme,),
    )


def _key_set(whose: str) -> Operation:
    return Operation(
        summary=f"The public keys that {whose} tokens verify with.",
        query=(NoQuery,),
        answers={
            200: Told(
                description="They may be kept for a minute.",
                content={KEY_SET_MEDIA_TYPE: KeySet},
                headers={"Cache-Control": "`public, max-age=60`."},
            )
        },
        refusals=("invalid-request", "token-states-unavailable"),
    )


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "verify_device_token": _verify("device", DEVICE_TOKEN),
        "verify_user_token": _verify("user", USER_TOKEN),
        "user_token_keys": _key_set("users'"),
        "device_token_keys": _key_set("devices'"),
    }
)
