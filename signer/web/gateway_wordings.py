"""How refusals around the gateway are told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signer import errors
from signer.web.wording import Wording

GATEWAY_WORDINGS: Mapping[type[Exception], Wording] = MappingProxyType(
    {
        errors.GatewayOptionRefused: Wording(status=400, detail="{option} {reason}"),
        errors.ForwardedRequestInvalid: Wording(
            status=400,
            detail="the gateway does not say in {header} which request it asks about",
            hint="artifact-signer gateway config writes a configuration that does",
        ),
        errors.TokenNotAdmitted: Wording(status=401, detail="the token is not valid"),
        errors.AddonNotEnabled: Wording(
            status=403,
            detail="devices of this installation do not have the add-on {addon}",
            hint="device_tokens.addons lists those that they have",
        ),
        errors.RequestsLimited: Wording(
            status=429,
            transient=True,
            detail="there are too many requests with tokens of this device or user",
            hint="wait as long as Retry-After says",
        ),
    }
)
