"""How refusals around the gateway are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

GATEWAY_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.GatewayOptionRefused: Wording(status=400, detail="{option} {reason}"),
    }
)
