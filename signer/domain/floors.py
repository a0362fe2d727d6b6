"""How far versions have come: the newest that a key signed for a device type and a payload type.

1. What was signed under a rule that asks for versions says in its leaf which version it is, and for what
   (``VersionClaim``). The last leaf that says so of a place is the floor there: rows only save looking for it.
2. What is older than its floor is refused. The same version is not: a retry has it, and so has a second part of a
   release.
3. People may set a floor, lower too: that is the way out of a version that a mistake or a thief raised. Their leaf says
   who and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from signer.domain.access.decisions import FloorDemand
from signer.domain.access.versions import Order, is_older, step
from signer.domain.events import Event, EventType
from signer.domain.leaves import LeafDraft, LogEvent, event_draft
from signer.errors import VersionPlacesTooLong
from verifier.log.leaves import LeafValue

# Name of the key, device type, payload type.
FloorPlace = tuple[str, str, str]
# As they stand in JSON, so that a leaf holds them beside everything else.
MAX_NAME_BYTES = 255
MAX_PLACES_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Nothing older may be signed. ``leaf``: index of the leaf that says so."""

    order: Order
    version: str
    leaf: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionClaim:
    """The version of what is signed, and the device types and payload types that it is for.

    ``max_step``: by how much a numeric one may be above its floor; None: by any.
    """

    order: Order
    version: str
    max_step: int | None
    places: tuple[tuple[str, str], ...]

    @property
    def members(self) -> dict[str, LeafValue]:
        """What a leaf says of it."""
        return {
            "version": self.version,
            "version_order": self.order.value,
            "version_for": [[device, payload] for device, payload in self.places],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorUnmet:
    """A claim that is not above its floor, or too far, or not to be compared with it."""

    device_type: str
    payload_type: str
    floor: Floor
    too_far: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorSetting:
    """The floor that a leaf sets at a place."""

    place: FloorPlace
    order: Order
    version: str


def claim_of(key: str, demands: Sequence[FloorDemand]) -> VersionClaim | None:
    """What the demands of one decision claim; None where there are none. Raises ``VersionPlacesTooLong``."""
    if not demands:
        return None
    first = demands[0]
    places = tuple((demand.device_type, demand.payload_type) for demand in demands)
    fitting = all(is_place_name(name) for place in places for name in place)
    if not fitting or _json_bytes(places) > MAX_PLACES_BYTES:
        raise VersionPlacesTooLong(key=key, places=len(places))
    return VersionClaim(order=first.order, version=first.version, max_step=first.max_step, places=places)


def is_place_name(name: str) -> bool:
    """Whether a device type or payload type is short enough to keep a floor of."""
    return _json_bytes(name) <= MAX_NAME_BYTES


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def unmet(claim: VersionClaim, key: str, floors: Mapping[FloorPlace, Floor]) -> FloorUnmet | None:
    """The first place at which the claim does not hold; None where it does at all of them."""
    for device, payload in claim.places:
        floor = floors.get((key, device, payload))
        if floor is None:
            continue
        if _is_below(claim, floor):
            return FloorUnmet(device_type=device, payload_type=payload, floor=floor)
        if claim.max_step is not None and step(claim.version, above=floor.version) > claim.max_step:
            return FloorUnmet(device_type=device, payload_type=payload, floor=floor, too_far=True)
    return None


def _is_below(claim: VersionClaim, floor: Floor) -> bool:
    try:
        return claim.order is not floor.order or is_older(floor.order, claim.version, than=floor.version)
    except ValueError:
        # A floor that is no version of its order: nothing is above it.
        return True


def raised(claim: VersionClaim, key: str, floors: Mapping[FloorPlace, Floor]) -> Iterator[FloorPlace]:
    """The places at which the claim, which holds, is above the floor, or where there is none."""
    for device, payload in claim.places:
        floor = floors.get((key, device, payload))
        if floor is None or is_older(floor.order, floor.version, than=claim.version):
            yield key, device, payload


def raising_draft(place: FloorPlace, floor: Floor | None, claim: VersionClaim, *, actor: str) -> LeafDraft:
    """The leaf of a floor that a signature on record has raised, which needed no leaf of its own."""
    reason = "a signature on record was given out under a rule that asks for versions"
    return event_draft(floor_event(place, floor, claim.order, claim.version, actor=actor, reason=reason))


def floor_event(
    place: FloorPlace, floor: Floor | None, order: Order, version: str, *, actor: str, reason: str
) -> Event:
    """The event of a floor that was set; ``floor``: what was there before."""
    key, device, payload = place
    before = {} if floor is None else {"order": floor.order.value, "version": floor.version}
    after = {
        "device_type": device,
        "payload_type": payload,
        "order": order.value,
        "version": version,
        "reason": reason,
    }
    return Event(type=EventType.FLOOR_SET, actor=actor, key=key, version=None, before=before, after=after)


_CLAIMING = (LogEvent.SIGNATURE.value, LogEvent.SIGNATURE_REPEATED.value)


def settings_of(members: Mapping[str, Any]) -> Iterator[FloorSetting]:
    """The floors that a leaf sets, by its members; raises ``ValueError``, ``KeyError`` or ``TypeError`` for no leaf."""
    if members["type"] in _CLAIMING and "version_for" in members:
        order, version = Order(members["version_order"]), members["version"]
        for device, payload in members["version_for"]:
            yield FloorSetting(place=(members["key"], device, payload), order=order, version=version)
    elif members["type"] == EventType.FLOOR_SET.value:
        after = members["after"]
        place = (members["key"], after["device_type"], after["payload_type"])
        yield FloorSetting(place=place, order=Order(after["order"]), version=after["version"])


def rebuilt(leaves: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[FloorPlace, Floor]:
    """All floors, from the leaves with their indexes, in order."""
    return {
        setting.place: Floor(order=setting.order, version=setting.version, leaf=index)
        for index, members in leaves
        for setting in settings_of(members)
    }
