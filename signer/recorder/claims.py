"""Versions and floors as parts of the frames between workers and the recorder. What is malformed raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from signer.domain.access.rollback import MAX_FLOORS
from signer.domain.access.versions import Order, rank
from signer.domain.floors import Floor, FloorUnmet, VersionClaim, is_place_name


def packed_claim(claim: VersionClaim) -> list[Any]:
    """A version, and what it is for."""
    return [claim.order.value, claim.version, claim.max_step, claim.places]


def parsed_claim(unverified: Any) -> VersionClaim:
    """The same; raises ``ValueError`` or ``TypeError``."""
    match unverified:
        case [str(order), str(version), max_step, [_, *_] as places] if len(places) <= MAX_FLOORS:
            rank(Order(order), version)
            if max_step is not None and (type(max_step) is not int or max_step < 0 or order != Order.NUMERIC):
                raise ValueError("no step")
            return VersionClaim(
                order=Order(order), version=version, max_step=max_step, places=tuple(map(_place, places))
            )
    raise ValueError("no claim")


def _place(unverified: Any) -> tuple[str, str]:
    match unverified:
        case [str(device), str(payload)] if is_place_name(device) and is_place_name(payload):
            return device, payload
    raise ValueError("no place")


def packed_unmet(unmet: FloorUnmet | None) -> list[Any]:
    """The floor that was not met, where one was not."""
    if unmet is None:
        return []
    floor = unmet.floor
    return [unmet.device_type, unmet.payload_type, floor.order.value, floor.version, floor.leaf, unmet.too_far]


def parsed_unmet(unverified: Sequence[Any]) -> FloorUnmet | None:
    """The same; raises ``ValueError``."""
    match unverified:
        case []:
            return None
        case [str(device), str(payload), str(order), str(version), int(leaf), bool(too_far)]:
            floor = Floor(order=Order(order), version=version, leaf=leaf)
            return FloorUnmet(device_type=device, payload_type=payload, floor=floor, too_far=too_far)
    raise ValueError("no floor")
