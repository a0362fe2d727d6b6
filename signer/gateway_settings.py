"""``[gateway]``: what gateways are answered."""

from __future__ import annotations

from pydantic import Field

from signer.settings_section import Section

MOST = 1_000_000


class GatewaySettings(Section):
    """``[gateway]``."""

    device_requests: int = Field(
        0, ge=0, le=MOST, description="requests of one device in a minute, per worker; 0: any number"
    )
    user_requests: int = Field(
        0, ge=0, le=MOST, description="requests of one user in a minute, per worker; 0: any number"
    )
