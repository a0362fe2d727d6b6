"""Probes, metrics and this description, as OpenAPI has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from typing_extensions import TypedDict

from signer.web.documents import ReadinessDocument
from signer.web.openapi.operation import JSON_MEDIA_TYPE, TEXT_MEDIA_TYPE, Operation, Told, text, told
from signer.web.openapi.security import NOTHING, PROVED


class Health(TypedDict):
    """The process answers."""

    status: Literal["ok"]


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "healthz": Operation(summary="The process answers.", answers=told(Health)),
        "readyz": Operation(
            summary="Can it sign?",
            answers={
                200: Told(description="It can.", content={JSON_MEDIA_TYPE: ReadinessDocument}),
                503: Told(description="It cannot.", content={JSON_MEDIA_TYPE: ReadinessDocument}),
            },
            security=(NOTHING, *PROVED),
        ),
        "metrics": Operation(
            summary="What happened, in the text format of Prometheus.",
            answers=text(TEXT_MEDIA_TYPE, "Samples."),
        ),
        "show_openapi": Operation(
            summary="This description.", answers=told(dict[str, Any], "OpenAPI 3.1."), refusals=("invalid-request",)
        ),
    }
)
