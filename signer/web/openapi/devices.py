"""Devices, as OpenAPI has them: what they ask, and what is asked about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from signer.domain.devices import AuthStatus, DeviceStatus
from signer.domain.timestamps import Moment
from signer.services.device_documents import DeviceDocument
from signer.web.mender_devices import (
    DEFAULT_PER_PAGE,
    MAX_PER_PAGE,
    AwaitedAuthSet,
    PreauthorizationBody,
    ReplacementBody,
    SearchBody,
    StatusBody,
)
from signer.web.openapi.operation import (
    JSON_MEDIA_TYPE,
    JWT_MEDIA_TYPE,
    TEXT,
    Operation,
    Parameter,
    Told,
    nothing,
    text,
    told,
)
from signer.web.openapi.refusals import ISSUING, SHOWN, of_tokens
from signer.web.openapi.security import DEVICE_TOKEN, NOTHING


class KnownDevice(DeviceDocument):
    """The device that has the identity already, with what refusals have."""

    error: str
    code: Literal["device-known"]
    detail: str
    hint: str | None
    request_id: str


class Count(TypedDict):
    """How many."""

    count: int


class Limit(TypedDict):
    """How many devices may be accepted; -1: any number."""

    limit: int


class Status(TypedDict):
    """What was decided."""

    status: AuthStatus


class AwaitedKeyDocument(TypedDict):
    """The next key of a device."""

    auth_set: str
    status: Literal["preauthorized"]
    valid_until: NotRequired[Moment | None]


def _signature(name: str, whose: str) -> Parameter:
    return Parameter(name=name, description=f"Base64 of the signature of the body by {whose}.", required=True)


def _signed(*demanded: str, **members: Any) -> Mapping[str, Any]:
    """A body whose bytes are signed; members that it does not name are left alone."""
    return {JSON_MEDIA_TYPE: {"type": "object", "properties": members, "required": [*demanded]}}


_TS = {"type": "integer", "description": "Seconds since 1970."}
_NONCE = {"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"}
_STATUS: Mapping[str, Any] = {"type": "string", "enum": [*DeviceStatus]}
_STATUS_QUERY = Parameter(
    name="status", description="May come several times.", place="query", schema={"type": "array", "items": _STATUS}
)
_PAGES = (
    Parameter(
        name="page", description="From 1.", place="query", schema={"type": "integer", "minimum": 1, "default": 1}
    ),
    Parameter(
        name="per_page",
        description="How many on a page.",
        place="query",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": DEFAULT_PER_PAGE},
    ),
)
_PAGE = told(list[DeviceDocument], "A page.", Link="The first page, the one before and the next.")
_ASKED = (
    *ISSUING, *SHOWN, *of_tokens(), "auth-request-invalid", "device-identity-invalid", "device-key-invalid",
    "media-type-not-supported", "device-refused", "too-many-attempts", "version-expired", "version-not-yet-valid",
    "no-active-version", "signature-limit-reached", "version-quarantined", "message-not-allowed",
)  # fmt: skip
_FOUND = ("device-not-found", "auth-set-not-found")
_KEY = ("device-key-invalid", "device-key-taken", "device-keys-exhausted")

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "authenticate_device": Operation(
            summary="A device asks for a token.",
            body=_signed("id_data", "pubkey", id_data=TEXT, pubkey=TEXT, ts=_TS, nonce=_NONCE),
            parameters=(_signature("X-MEN-Signature", "the key that it names"),),
            answers=text(JWT_MEDIA_TYPE, "The token and nothing else.", Cache_Control="`no-store`."),
            refusals=_ASKED,
            security=(NOTHING,),
        ),
        "change_device_key": Operation(
            summary="A device has its next key awaited.",
            body=_signed(
                "id_data",
                "pubkey",
                "next_pubkey",
                "ts",
                "nonce",
                id_data=TEXT,
                pubkey=TEXT,
                next_pubkey=TEXT,
                ts=_TS,
                nonce=_NONCE,
            ),
            parameters=(
                _signature("X-MEN-Signature", "the present key"),
                _signature("X-MEN-Next-Signature", "the next one"),
            ),
            answers=told(AwaitedKeyDocument, Cache_Control="`no-store`."),
            refusals=(*_ASKED, *_KEY),
            security=(DEVICE_TOKEN,),
        ),
        "list_devices": Operation(
            summary="A page of devices.",
            parameters=(
                _STATUS_QUERY,
                Parameter(
                    name="id",
                    description="May come several times.",
                    place="query",
                    schema={"type": "array", "items": TEXT},
                ),
                *_PAGES,
            ),
            answers=_PAGE,
        ),
        "search_devices": Operation(
            summary="The same, asked in a body.", body=SearchBody, parameters=_PAGES, answers=_PAGE
        ),
        "count_devices": Operation(
            summary="How many devices there are.",
            parameters=(Parameter(name="status", description="Of this status.", place="query", schema=_STATUS),),
            answers=told(Count),
        ),
        "preauthorize_device": Operation(
            summary="Preauthorise a device: it is accepted by its first request.",
            body=PreauthorizationBody,
            answers={
                **nothing(201, Location="`devices/ID`."),
                409: Told(description="The identity is known.", content={JSON_MEDIA_TYPE: KnownDevice}),
            },
            refusals=(*_KEY, "device-identity-invalid", "device-limit-reached"),
        ),
        "show_device": Operation(summary="One device.", answers=told(DeviceDocument), refusals=_FOUND),
        "decommission_device": Operation(
            summary="Decommission a device: its tokens hold no longer.", answers=nothing(204), refusals=_FOUND
        ),
        "show_auth_set": Operation(summary="What was decided about a key.", answers=told(Status), refusals=_FOUND),
        "decide_auth_set": Operation(
            summary="Decide about a key.",
            body=StatusBody,
            answers=nothing(204, "Also where it is that already."),
            refusals=(*_FOUND, "device-step-not-allowed", "auth-set-of-another-device", "device-limit-reached"),
        ),
        "dismiss_auth_set": Operation(
            summary="Take a key from a device.",
            answers=nothing(204),
            refusals=(*_FOUND, "auth-set-of-another-device"),
        ),
        "replace_device_key": Operation(
            summary="Plan the next key of an accepted device.",
            body=ReplacementBody,
            answers=told(AwaitedAuthSet, status=201),
            refusals=(*_FOUND, *_KEY, "device-step-not-allowed", "auth-set-of-another-device"),
        ),
        "revoke_device_token": Operation(
            summary="Let one token of a device hold no longer.",
            answers=nothing(204),
            refusals=("device-token-not-found",),
        ),
        "show_device_limit": Operation(summary="How many devices may be accepted.", answers=told(Limit)),
    }
)
