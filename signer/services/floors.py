"""Looking at floors of versions, and setting them: the way out of a version that a mistake or a thief raised."""

from __future__ import annotations

from signer.domain.access.versions import Order, rank
from signer.domain.floors import Floor, FloorPlace, FloorSetting, is_place_name
from signer.domain.reasons import checked_reason
from signer.errors import FloorInvalid
from signer.services import guarded
from signer.services.access_ports import FloorStore
from signer.services.change_guard import ChangeGuard


class FloorAdministration:
    """Shows and sets floors. Safe for threads."""

    def __init__(self, *, store: FloorStore, guard: ChangeGuard) -> None:
        self._store = store
        self._guard = guard

    def floors(self, key: str | None = None) -> tuple[tuple[FloorPlace, Floor], ...]:
        """All, or those of a key."""
        return self._store.floors(key)

    def set(self, place: FloorPlace, *, unverified_order: str, version: str, reason: str, actor: str) -> Floor:
        """Set one, higher or lower, durable when the call returns; it holds for the next signature.

        Of a key that is guarded by approvals people approve whichever floor is set: a lower one lets older versions
        through, and a higher one versions that are further away. Raises ``FloorInvalid``, ``ReasonInvalid``,
        ``KeyNotFound``, and what ``ApprovalDesk.given`` raises.
        """
        if not all(name.isprintable() and is_place_name(name) for name in place):
            raise FloorInvalid(problem="a name has more than 255 bytes, or characters that cannot be shown")
        if unverified_order not in tuple(Order):
            raise FloorInvalid(problem=f"the order is none of {', '.join(Order)}")
        order = Order(unverified_order)
        try:
            rank(order, version)
        except ValueError as error:
            raise FloorInvalid(problem=f"the version {error}") from None
        setting = FloorSetting(place=place, order=order, version=version)
        why = checked_reason(reason)
        return self._guard.carry_out(
            actor,
            lambda policy, _: guarded.floor_set(policy, setting),
            lambda permit: self._store.set(setting, actor=actor, reason=why, permit=permit),
        )
