"""One bundle of entries, looked at by itself: everything that can be said without the leaves before it.

What needs them is handed on: which keys it pins, how it changes access, from which moment to which it goes, and the
signatures by keys that are not known here yet. A bundle is checked in a process of its own, many side by side.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from signer.domain.log_rows import LeafRow
from signer.log.beside import SIGNED, differing
from signer.log.faults import Fault, FaultKind
from signer.log.pinned import Pin, SignatureKey, Version, pin_of
from verifier.errors import BundleMalformed, LeafMalformed
from verifier.log.hashing import HASH_BYTES, leaf_hash
from verifier.log.leaves import FORM_VERSION, parsed_leaf
from verifier.log.tiles import TILE_WIDTH, Tile, bundle_entries

MARK_BYTES = 16
NO_MARK = bytes(MARK_BYTES)
# Of one length and in UTC, so that texts compare as moments do.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_CORRECTION = "clock-corrected"
_CREATED, _CONTINUED = "log-created", "log-continued"
Rows = Sequence[LeafRow] | None


@dataclass(frozen=True, slots=True)
class AccessStep:
    """A leaf changed what gives power. ``before``: the digest it began with; None in a leaf that begins a log."""

    index: int
    begins: bool
    revision: int
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that a leaf records, to be checked with the key of its version."""

    index: int
    version: Version
    fingerprint: str
    manifest_sha256: str
    signature: str


@dataclass(slots=True)
class BundleFacts:
    """What a bundle says. ``fault``: the first leaf of it that is wrong, by itself; nothing after it is told.

    Attributes:
        hashes: of its leaves, one after the other.
        marks: two of 16 bytes for each leaf, which no other leaf may have: its id, and what it records (or zeros).
        starts: the first leaf's time, None where that leaf corrects the clock.
        ends: the newest time when the bundle ends.
        waiting: signatures whose key is not known here.
    """

    hashes: bytes = b""
    marks: bytes = b""
    starts: str | None = None
    ends: str = ""
    pins: list[tuple[int, Pin]] = field(default_factory=list)
    access: list[AccessStep] = field(default_factory=list)
    waiting: list[Signed] = field(default_factory=list)
    signatures: int = 0
    fault: Fault | None = None


def tile_of_leaves(first: int, width: int) -> Tile:
    """The tile that holds the hashes of these leaves."""
    return Tile(level=0, number=first // TILE_WIDTH, width=width)


def look_at(
    first: int, width: int, bundle: bytes, keys: Mapping[Version, SignatureKey], rows: Rows = None
) -> BundleFacts:
    """The facts of the bundle whose first leaf is ``first``.

    ``keys``: those that leaves before it pin, or some. ``rows``: what a database has beside the leaves.
    """
    path = Tile(level=None, number=first // TILE_WIDTH, width=width).path
    try:
        entries = list(bundle_entries(bundle))
    except BundleMalformed as error:
        return BundleFacts(fault=Fault(FaultKind.BUNDLE, first, {"path": path, "problem": error.problem}))
    if len(entries) != width:
        problem = f"it has {len(entries)} entries, and {width} were asked for"
        return BundleFacts(fault=Fault(FaultKind.BUNDLE, first, {"path": path, "problem": problem}))
    facts = BundleFacts(hashes=b"".join(map(leaf_hash, entries)))
    return _Reading(facts, keys, rows).read(first, entries)


class _Reading:
    """The leaves of one bundle, in order."""

    def __init__(self, facts: BundleFacts, keys: Mapping[Version, SignatureKey], rows: Rows) -> None:
        self._facts = facts
        self._keys = keys
        self._rows = rows
        self._marks: list[bytes] = []
        self._newest: str | None = None

    def read(self, first: int, entries: list[bytes]) -> BundleFacts:
        facts = self._facts
        for index, entry in enumerate(entries, first):
            try:
                members: dict[str, Any] = parsed_leaf(entry)
                facts.fault = self._leaf(index, members)
                if self._rows is not None:
                    facts.fault = facts.fault or self._beside(index, index - first, members)
            except (LeafMalformed, ValueError, KeyError, TypeError, AttributeError) as error:
                problem = (
                    error.problem if isinstance(error, LeafMalformed) else "a member is missing or is not what it is"
                )
                facts.fault = Fault(FaultKind.LEAF, index, {"problem": problem})
            if facts.fault is not None:
                break
        facts.marks = b"".join(self._marks)
        facts.ends = self._newest or ""
        return facts

    def _leaf(self, index: int, members: dict[str, Any]) -> Fault | None:
        kind = members["type"]
        if (type(members["v"]), members["v"]) != (int, FORM_VERSION) or not isinstance(members["actor"], str):
            raise LeafMalformed(problem="it is of another form")
        own = bytes.fromhex(members["id"])
        if len(own) != MARK_BYTES:
            raise LeafMalformed(problem="its id has another length")
        fault = self._time(index, kind, members["time"])
        if "access_sha256" in members:
            self._facts.access.append(_access(index, kind, members))
        if "after" in members:
            self._pin(index, members)
        mark = NO_MARK
        if kind in SIGNED:
            signed = _signed(index, members)
            if kind == SIGNED[0]:
                mark = _mark(signed, members["checked"], emergency=members.get("emergency", False) is not False)
            fault = fault or self._check(signed)
        self._marks += (own, mark)
        return fault

    def _beside(self, index: int, place: int, members: dict[str, Any]) -> Fault | None:
        assert self._rows is not None  # noqa: S101  (asked by the caller)
        start = place * HASH_BYTES
        column = differing(index, members, self._rows[place], self._facts.hashes[start : start + HASH_BYTES])
        return None if column is None else Fault(FaultKind.BESIDE, index, {"column": column})

    def _time(self, index: int, kind: str, time: str) -> Fault | None:
        if not _TIME.fullmatch(time):
            raise LeafMalformed(problem="its time is not in the form that leaves have")
        datetime.fromisoformat(time)
        newest, corrects = self._newest, kind == _CORRECTION
        if newest is None and not corrects:
            self._facts.starts = time
        self._newest = time
        if newest is not None and time < newest and not corrects:
            return Fault(FaultKind.TIME, index, {"time": time, "newest": newest})
        return None

    def _pin(self, index: int, members: dict[str, Any]) -> None:
        after = members["after"]
        if "fingerprint" not in after or "key" not in members:
            return
        version = (str(members["key"]), int(members["key_version"]))
        try:
            pin = pin_of(version, str(after["fingerprint"]), after.get("public_key"))
            if pin.spki is not None and version not in self._keys:
                SignatureKey(pin.spki)
        except ValueError as error:
            raise LeafMalformed(problem=str(error)) from None
        self._facts.pins.append((index, pin))

    def _check(self, signed: Signed) -> Fault | None:
        self._facts.signatures += 1
        key = self._keys.get(signed.version)
        if key is None:
            self._facts.waiting.append(signed)
            return None
        return signature_fault(signed, key)


def signature_fault(signed: Signed, key: SignatureKey) -> Fault | None:
    """What is wrong with a signature, looked at with the public key of its version."""
    problem = (
        "it names another fingerprint than the version has"
        if signed.fingerprint != key.fingerprint
        else key.problem(signed.signature.encode(), bytes.fromhex(signed.manifest_sha256))
    )
    return None if problem is None else _not_signed(signed, problem)


def _not_signed(signed: Signed, problem: str) -> Fault:
    key, version = signed.version
    return Fault(FaultKind.SIGNATURE, signed.index, {"key": key, "version": version, "problem": problem})


def _signed(index: int, members: dict[str, Any]) -> Signed:
    texts = [members[name] for name in ("key", "fingerprint", "manifest_sha256", "signature")]
    number = members["key_version"]
    if not all(isinstance(text, str) for text in texts) or type(number) is not int:
        raise LeafMalformed(problem="it records a signature, and a member of that is not what it can be")
    key, fingerprint, digest, signature = texts
    if len(bytes.fromhex(digest)) != HASH_BYTES or digest != digest.lower():
        raise LeafMalformed(problem="its digest of the manifest is none")
    return Signed(index, (key, number), fingerprint, digest, signature)


def _mark(signed: Signed, checked: str, *, emergency: bool) -> bytes:
    key, number = signed.version
    text = f"{key}\0{number}\0{signed.manifest_sha256}\0{checked}" + ("\0emergency" if emergency else "")
    return hashlib.sha256(text.encode()).digest()[:MARK_BYTES]


def _access(index: int, kind: str, members: dict[str, Any]) -> AccessStep:
    revision, after, before = members["access_revision"], members["access_sha256"], members.get("access_before")
    if type(revision) is not int or not isinstance(after, str) or not isinstance(before, str | None):
        raise LeafMalformed(problem="what it says of access is not what it can be")
    return AccessStep(index, kind == (_CONTINUED if index else _CREATED), revision, before, after)
