"""What a decision says."""

from __future__ import annotations

from dataclasses import dataclass

from signer.domain.access.limits import LimitDemand
from signer.domain.access.versions import Order
from signer.domain.keys import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What decides of a key. ``purpose`` is None as long as the key was not looked up: it may not even exist."""

    name: str
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorDemand:
    """What is signed must not be older than what this key signed for the device type and payload type.

    ``max_step``: by how much it may be newer; None: by any.
    """

    device_type: str
    payload_type: str
    order: Order
    version: str
    max_step: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDemand:
    """``count`` people of ``group`` have to approve."""

    group: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allow:
    """The request may go on.

    Attributes:
        rule: names what allowed it.
        floors: what the record has to hold against it still.
        limits: how many signatures the identity may have made with the key.
        emergency: it was allowed past its approvals.
    """

    rule: str
    floors: tuple[FloorDemand, ...] = ()
    limits: tuple[LimitDemand, ...] = ()
    emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsApproval:
    """The request may go on as soon as people have approved it, under this very rule."""

    rule: str
    rule_sha256: str
    demands: tuple[ApprovalDemand, ...]
    floors: tuple[FloorDemand, ...] = ()
    limits: tuple[LimitDemand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The request ends here.

    Attributes:
        reason: a sentence for the caller. It names no key but the one that was asked for.
        rule: the rule that denied it, or that came closest to allowing it.
        condition: the member of that rule which decided.
    """

    reason: str
    rule: str | None = None
    condition: str | None = None


Decision = Allow | NeedsApproval | Deny
