"""Leaves: one JSON object each, in the one spelling that RFC 8785 gives it.

1. Member names are ASCII; values are strings, whole numbers of at most 53 bits, booleans, lists and objects. No
   null, no fraction, no member twice. Under these rules sorting by code points is sorting by UTF-16 units, and
   ``json.dumps`` gives the bytes of RFC 8785.
2. Bytes that differ from their own canonical form are refused: two readers must not see two leaves in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from verifier.errors import LeafIsNoSignature, LeafMalformed, LeafMismatch

MAX_LEAF_BYTES = 16 * 1024
MAX_INTEGER = (1 << 53) - 1
FORM_VERSION = 1
SIGNATURE_TYPE = "signature"
_MAX_DEPTH = 16

LeafValue: TypeAlias = "str | int | bool | list[LeafValue] | dict[str, LeafValue]"


def canonical_leaf(members: Mapping[str, LeafValue]) -> bytes:
    """The bytes of a leaf; raises ``LeafMalformed`` where it has no canonical form, or is too long."""
    _check(members, _MAX_DEPTH)
    try:
        leaf = _ENCODER.encode(members).encode("utf-8")
    except UnicodeEncodeError:
        raise LeafMalformed(problem="it holds half of a surrogate pair") from None
    if len(leaf) > MAX_LEAF_BYTES:
        raise LeafMalformed(problem=f"it has more than {MAX_LEAF_BYTES} bytes")
    return leaf


def parsed_leaf(unverified_leaf: bytes) -> dict[str, LeafValue]:
    """The members of a leaf; raises ``LeafMalformed`` unless its bytes are their canonical form."""
    if len(unverified_leaf) > MAX_LEAF_BYTES:
        raise LeafMalformed(problem=f"it has more than {MAX_LEAF_BYTES} bytes")
    try:
        members = _DECODER.decode(unverified_leaf.decode("utf-8"))
    except (ValueError, RecursionError):
        raise LeafMalformed(problem="it is not JSON of strings, whole numbers and booleans") from None
    if not isinstance(members, dict) or canonical_leaf(members) != unverified_leaf:
        # A member twice is lost in reading, so it fails here as well.
        raise LeafMalformed(problem="its bytes are not their own canonical form")
    return members


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLeaf:
    """What the log says of a signature of an artifact. The members that readers rely on; ``members`` has all.

    Attributes:
        time: when it was recorded, as text, UTC.
        actor: who had it signed.
        rule: the rule that allowed it; None in leaves of installations without rules.
        checked: how much was seen of what was signed.
        emergency: it was signed past its approvals; ``person`` and ``reason`` say by whom and why.
        signature: the bytes of ``manifest.sig``.
    """

    time: str
    actor: str
    rule: str | None
    key: str
    key_version: int
    fingerprint: str
    checked: str
    emergency: bool
    person: str | None
    reason: str | None
    manifest_sha256: str
    signature: bytes
    members: Mapping[str, LeafValue]

    @classmethod
    def parse(cls, unverified_leaf: bytes) -> SignatureLeaf:
        """Read a leaf of type ``signature``; raises ``LeafMalformed`` or ``LeafIsNoSignature``.

        Every other type is refused, also those that name the same manifest: a refusal, a vote or a repeated answer
        is no record of a signature.
        """
        members = parsed_leaf(unverified_leaf)
        kind = members.get("type")
        if kind != SIGNATURE_TYPE:
            raise LeafIsNoSignature(type=kind if isinstance(kind, str) else "")
        if members.get("v") != FORM_VERSION or members.get("v") is True:
            raise LeafMalformed(problem="its form is of another version")
        return cls(
            time=_text(members, "time"),
            actor=_text(members, "actor"),
            rule=_text(members, "rule") if "rule" in members else None,
            key=_text(members, "key"),
            key_version=_number(members, "key_version"),
            fingerprint=_text(members, "fingerprint"),
            checked=_text(members, "checked"),
            # Whatever stands there but a plain no: who reads it otherwise would believe too much.
            emergency=members.get("emergency", False) is not False,
            person=_text(members, "person") if "person" in members else None,
            reason=_text(members, "reason") if "reason" in members else None,
            manifest_sha256=_text(members, "manifest_sha256"),
            signature=_text(members, "signature").encode("utf-8"),
            members=members,
        )

    def require(self, *, manifest_sha256: str, fingerprint: str, signature: bytes) -> None:
        """Raises ``LeafMismatch`` unless the leaf records this very signature: asked before anything in it is shown."""
        expected = {
            "manifest_sha256": (manifest_sha256, self.manifest_sha256),
            "fingerprint": (fingerprint, self.fingerprint),
            "signature": (signature.decode("ascii", "replace"), self.signature.decode("ascii", "replace")),
        }
        for member, (wanted, found) in expected.items():
            if wanted != found:
                raise LeafMismatch(member=member, expected=wanted, actual=found)


def _refuse(text: str) -> Any:
    raise ValueError(text)


# Made once: a log is checked leaf by leaf, and making them costs as much as reading one.
_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# The types that hold no others and have every value.
_PLAIN = (bool, str)


def _check(value: object, depth: int) -> None:
    if isinstance(value, _PLAIN):
        return
    if isinstance(value, int) and abs(value) <= MAX_INTEGER:
        return
    if depth and isinstance(value, list):
        values: Iterable[object] = value
    elif depth and isinstance(value, Mapping) and _are_ascii(value):
        values = value.values()
    else:
        raise LeafMalformed(problem="it holds a value, a name or a depth that leaves do not have")
    for each in values:
        if type(each) is not str:  # most are, and need no call
            _check(each, depth - 1)


def _are_ascii(names: Iterable[Any]) -> bool:
    try:
        return "".join(names).isascii()
    except TypeError:  # one is no string
        return False


def _text(members: Mapping[str, LeafValue], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise LeafMalformed(problem=f"its member {name} is not there, or no text")
    return value


def _number(members: Mapping[str, LeafValue], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LeafMalformed(problem=f"its member {name} is not there, or no number")
    return value
