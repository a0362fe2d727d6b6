"""Anti-rollback: where the version of an artifact stands, how it is ordered, and what floors it has to stand above.

A version that is absent, or none in its order, is denied. Whether it is older than what the key signed is decided
where signatures are recorded; here it is only demanded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from signer.domain.access.conditions import Unmet, told
from signer.domain.access.decisions import FloorDemand
from signer.domain.access.versions import Order, rank
from signer.domain.requests import AnyRequest
from verifier import Header

ARTIFACT_NAME = "artifact_name"
PROVIDES = "provides:"
# Each is compared in the transaction that records a signature.
MAX_FLOORS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDemand:
    """``version``: not older than what this key signed for the same device type and payload type.

    Attributes:
        source: ``artifact_name``, or ``provides:`` and the name of an attribute.
        prefix: what stands before the version there.
        max_step: by how much a numeric version may be above its floor; None: by any.
    """

    source: str
    prefix: str
    order: Order
    max_step: int | None

    def floors(self, request: AnyRequest | None) -> tuple[FloorDemand, ...] | Unmet:
        """What is demanded of an artifact, for each device type and payload type; or why it has no version."""
        header = request.header if request is not None else None
        if header is None:
            return Unmet(condition="version", sentence="too little was shown to tell", unknown=True)
        value = source_value(self.source, header)
        if value is None or not value.startswith(self.prefix):
            return Unmet(condition="version", sentence=f"{self.source} is {told(value)}, not {self.prefix}VERSION")
        version = value[len(self.prefix) :]
        try:
            rank(self.order, version)
        except ValueError as error:
            return Unmet(condition="version", sentence=f"{told(version)} {error}")
        pairs = [(device, payload or "") for device in header.device_types for payload in header.payload_types]
        if fits_no_floors(header):
            return Unmet(
                condition="version", sentence=f"it is for {len(pairs)} device types, {MAX_FLOORS} are compared"
            )
        return tuple(
            FloorDemand(
                device_type=device, payload_type=payload, order=self.order, version=version, max_step=self.max_step
            )
            for device, payload in dict.fromkeys(pairs)
        )

    @property
    def document(self) -> dict[str, Any]:
        """Its table, in its canonical form."""
        members: dict[str, Any] = {"from": self.source, "prefix": self.prefix, "order": self.order.value}
        return members if self.max_step is None else {**members, "max_step": self.max_step}


def source_value(source: str, header: Header) -> str | None:
    """What stands where a version is looked for; None: nothing."""
    return header.artifact_name if source == ARTIFACT_NAME else header.provides.get(source.removeprefix(PROVIDES))


def fits_no_floors(header: Header) -> bool:
    """Whether an artifact is for more device types than floors are compared."""
    return len(header.device_types) * len(header.payload_types) > MAX_FLOORS
