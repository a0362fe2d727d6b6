"""``[devices]``: how many devices there may be, and for how long what nobody has decided about is kept."""

from __future__ import annotations

from pydantic import Field

from signer.domain.client_choices import Demand
from signer.settings_section import MEBIBYTE, Section

WEEK = 604_800.0
YEAR = 31_536_000.0


class DeviceSettings(Section):
    """``[devices]``: devices and their keys."""

    request_bytes: int = Field(MEBIBYTE, ge=4096, le=MEBIBYTE, description="largest request of a device, bytes")
    max_devices: int = Field(-1, ge=-1, le=100_000_000, description="most accepted devices; -1: any number")
    max_pending: int = Field(10_000, ge=0, le=1_000_000, description="most keys about which nobody has decided")
    pending_lifetime: float = Field(
        WEEK, ge=60, le=YEAR, description="after which such a key is forgotten unless its device asks again, seconds"
    )
    pending_per_address: int = Field(
        100, ge=0, le=1_000_000, description="most such keys that an address makes in an hour; 0: any number"
    )
    certificates: Demand = Field(
        Demand.OPTIONAL, description="whether devices that have never come with a certificate need one"
    )
    next_key_lifetime: float = Field(
        WEEK, ge=60, le=YEAR, description="for how long the next key of a device is awaited, seconds"
    )
