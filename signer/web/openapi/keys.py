"""Keys, their versions and their life, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from typing_extensions import TypedDict

from signer.web.documents import (
    BlindSignBody,
    DestroyBody,
    EventDocument,
    EventsQuery,
    KeyDocument,
    NewKeyBody,
    PrepareBody,
    RetireBody,
)
from signer.web.openapi.operation import PEM_MEDIA_TYPE, Operation, listed, text, told
from signer.web.openapi.refusals import APPROVALS, VERSION, of_tokens


class ChangedKey(KeyDocument):
    """A key after a step, and what is to be known of it."""

    warnings: list[str]


class EventPage(TypedDict):
    """Events, oldest first. ``next_after``: the ``after`` of the next page."""

    events: list[EventDocument]
    next_after: int | None


_STEP = (*APPROVALS, *VERSION, "step-not-allowed", "state-changed", "version-has-no-pair")
_FORCED = (*_STEP, "tokens-still-valid", "reason-invalid")
_MADE = (
    *APPROVALS, *of_tokens(), "creation-unfinished", "token-not-configured", "pair-not-suitable", "pair-in-use",
    "not-in-every-token", "state-changed", "algorithm-not-allowed", "version-expired",
    "blind-sign-not-for-purpose",
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "list_keys": Operation(
            summary="All keys that the caller may know of, by name.", answers=told(listed("keys", KeyDocument))
        ),
        "create_key": Operation(
            summary="Create a key, or adopt a pair as its first version.",
            body=NewKeyBody,
            answers=told(ChangedKey, status=201),
            refusals=(*_MADE, "invalid-name", "key-name-taken", "key-not-found"),
        ),
        "show_key": Operation(summary="One key with its versions.", answers=told(KeyDocument)),
        "prepare_version": Operation(
            summary="Prepare the next version: published, and not signing yet.",
            body=PrepareBody,
            answers=told(ChangedKey, status=201),
            refusals=(*_MADE, "next-version-exists"),
        ),
        "rotate_key": Operation(
            summary="The next version signs from now on.",
            answers=told(ChangedKey),
            refusals=(*_STEP, *of_tokens(), "no-next-version", "not-in-every-token", "version-quarantined"),
        ),
        "turn_blind_sign": Operation(
            summary="Let the key sign digests, of which nothing else is seen, or no longer.",
            body=BlindSignBody,
            answers=told(KeyDocument),
            refusals=(*APPROVALS, "key-not-found", "state-changed", "blind-sign-not-for-purpose"),
        ),
        "public_key": Operation(
            summary="The public key of a version.",
            answers=text(PEM_MEDIA_TYPE, "One PEM block `PUBLIC KEY`."),
            refusals=(*VERSION, "version-has-no-pair"),
        ),
        "retire_version": Operation(
            summary="Publish a version no longer.", body=RetireBody, answers=told(ChangedKey), refusals=_FORCED
        ),
        "disable_version": Operation(
            summary="Switch a version off: it neither signs nor is published.",
            answers=told(ChangedKey),
            refusals=_STEP,
        ),
        "enable_version": Operation(
            summary="Switch a version on again.",
            answers=told(ChangedKey),
            refusals=(*_STEP, *of_tokens(), "active-version-exists", "next-version-exists", "version-quarantined"),
        ),
        "destroy_version": Operation(
            summary="Remove the pair of a disabled version from every token, for ever.",
            body=DestroyBody,
            answers=told(ChangedKey),
            refusals=(*_FORCED, *of_tokens(), "confirmation-mismatch"),
        ),
        "list_events": Operation(
            summary="What happened to keys, oldest first.", query=(EventsQuery,), answers=told(EventPage)
        ),
    }
)
