"""What is told of each leaf: signatures that nobody expects, and whatever changes who may sign what.

1. A leaf is told unless something says that it need not be: a type that is not known is told.
2. What stood in records before there was a log is silent at the log's beginning only, and told anywhere else.
3. Times may go back only by a leaf that says so, and that is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from signer.monitor.expectations import Expectations, is_blind, is_emergency
from verifier.errors import LeafMalformed
from verifier.log import parsed_leaf

SIGNATURES = frozenset({"signature", "signature-repeated"})
# Refusals change nothing; who asks in vain often is a matter of the service's own log.
SILENT = frozenset({"signature-refused"})
CREATED, IMPORTED, CLOCK_CORRECTED = "log-created", "event-imported", "clock-corrected"
RECALLED = "release-recalled"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Kind(StrEnum):
    """Kinds of findings; documented in docs/operations/monitor.md."""

    SIGNATURE = "unexpected-signature"
    EMERGENCY = "emergency"
    BLIND = "blind-signature"
    CHANGE = "change"
    RECALL = "recall"
    TIME = "time-went-back"
    MALFORMED = "malformed-leaf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is told of the leaf at ``index``; ``why``: what did not fit, ``leaf``: its members, as far as it has any."""

    kind: Kind
    index: int
    why: str
    leaf: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As a JSON document."""
        return {"kind": self.kind.value, "index": self.index, "why": self.why, "leaf": self.leaf}


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the reader of a log stands. ``newest``: the last leaf's time; ``beginning``: nothing but imports so far."""

    newest: str = ""
    beginning: bool = True


def told(
    raw: bytes,
    index: int,
    position: Position,
    expectations: Expectations | None,
    *,
    allow_emergency: bool = False,
) -> tuple[tuple[Finding, ...], Position]:
    """What is told of one leaf, and where the reader stands after it. ``expectations`` None: of no signature.

    ``allow_emergency``: of signatures in an emergency no more than of others.
    """
    try:
        leaf: dict[str, Any] = dict(parsed_leaf(raw))
        at, kind = _moment(leaf.get("time")), _type(leaf.get("type"))
    except LeafMalformed as error:
        finding = Finding(kind=Kind.MALFORMED, index=index, why=error.problem, leaf={})
        return (finding,), Position(newest=position.newest, beginning=False)
    found: list[Finding] = []
    if leaf["time"] < position.newest and kind != CLOCK_CORRECTED:
        found.append(Finding(kind=Kind.TIME, index=index, why=f"after {position.newest}", leaf=leaf))
    beginning = position.beginning and ((kind == CREATED and index == 0) or kind == IMPORTED)
    if kind in SIGNATURES:
        found += _signature(leaf, index, at, expectations, allow_emergency)
    elif is_emergency(leaf) or _broke_glass(leaf):
        found.append(Finding(kind=Kind.EMERGENCY, index=index, why=kind, leaf=leaf))
    elif kind == RECALLED:
        # Whatever is expected: somebody has to see to it that devices get the list.
        found.append(Finding(kind=Kind.RECALL, index=index, why=kind, leaf=leaf))
    elif kind not in SILENT and not beginning and not (expectations and expectations.expects_change(leaf)):
        found.append(Finding(kind=Kind.CHANGE, index=index, why=kind, leaf=leaf))
    return tuple(found), Position(newest=leaf["time"], beginning=beginning)


def _signature(
    leaf: dict[str, Any], index: int, at: datetime, expectations: Expectations | None, allow_emergency: bool
) -> list[Finding]:
    misfit = None if expectations is None else expectations.misfit(leaf, at, allow_emergency=allow_emergency)
    emergency, blind = is_emergency(leaf), is_blind(leaf)
    told_anyway = (emergency and not allow_emergency) or blind
    if misfit is None and (not told_anyway or expectations is not None):
        return []
    kind = Kind.EMERGENCY if emergency else Kind.BLIND if blind else Kind.SIGNATURE
    why = "signed in an emergency" if emergency else "nothing was seen of what was signed"
    return [Finding(kind=kind, index=index, why=misfit or why, leaf=leaf)]


def _broke_glass(leaf: dict[str, Any]) -> bool:
    after = leaf.get("after")
    return isinstance(after, dict) and after.get("break_glass") is True


def _type(kind: object) -> str:
    if not isinstance(kind, str):
        raise LeafMalformed(problem="it has no type")
    return kind


def _moment(text: object) -> datetime:
    if not isinstance(text, str):
        raise LeafMalformed(problem="it has no time")
    try:
        at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise LeafMalformed(problem="its time is none") from None
    if at.strftime(_TIME) != text:
        raise LeafMalformed(problem="its time is not in the one spelling that leaves have")
    return at
