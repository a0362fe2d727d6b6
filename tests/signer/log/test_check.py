"""The check of a whole log: what holds, and each thing that can be wrong, named with its first leaf."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.faults import FaultKind as K
from tests.support.written_logs import (
    KEY,
    WrittenLog,
    access,
    common,
    created,
    leaves,
    moment,
    note,
    pinned,
    signature,
    signed,
    verifier_key,
)
from verifier.log import packed_bundle
from verifier.log.leaves import canonical_leaf

Leaves = list[dict[str, Any]]


def check(log: WrittenLog, **plan: Any) -> Verdict:
    return check_log(log, CheckPlan(keys=(verifier_key(),), **plan))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 512, 513])
def test_a_sound_log_holds_at_every_size(size: int) -> None:
    verdict = check(WrittenLog.of(leaves(size)))
    assert (verdict.fault, verdict.signatures) == (None, max(0, size - 2))
    assert verdict.checkpoint is not None
    assert verdict.checkpoint.size == size


def _at(index: int, change: Callable[[dict[str, Any]], object], size: int = 300) -> Leaves:
    made = leaves(size)
    change(made[index])
    return made


def _replaced(index: int, leaf: dict[str, Any], size: int = 300) -> Leaves:
    made = leaves(size)
    made[index] = leaf
    return made


SOUND: dict[str, Leaves] = {
    "a clock that was corrected": [
        *leaves(4),
        common(4, "clock-corrected", time=moment(1), before={}, after={"newest": moment(1)}),
        signed(5, time=moment(2)),
    ],
    "another version of the key, with RSA": [*leaves(3), pinned(3, 2, before=1), signed(4, 2), signed(5)],
    "a correction that begins a bundle": [
        *leaves(256),
        common(256, "clock-corrected", time=moment(1), before={}, after={}),
        signed(257, time=moment(1)),
    ],
    "more of the same artifact seen": [
        *leaves(3),
        {**signed(2, checked="artifact"), "id": "11" * 16, "time": moment(3)},
    ],
    "the same artifact, signed in an emergency and approved": [
        *leaves(3),
        {**signed(3), "emergency": True},
        {**signed(3), "id": "11" * 16, "time": moment(4)},
    ],
    "the signature given to another": [*leaves(3), {**signed(2), **common(3, "signature-repeated", actor="other")}],
    "a type of a later release": [*leaves(3), common(3, "something-new", what=[1, True, {"a": "b"}])],
    "a log that goes on under another origin": [
        *leaves(3),
        common(3, "log-continued", access_revision=9, access_sha256=access(77)),
        {**pinned(4, 2, before=77), "access_revision": 9},
    ],
}


@pytest.mark.parametrize("sentence", SOUND)
def test_what_may_be_in_a_log_holds(sentence: str) -> None:
    assert check(WrittenLog.of(SOUND[sentence])).fault is None


@dataclass(frozen=True, slots=True)
class Row:
    """Leaves that are wrong, though hashes, tiles and checkpoint are made from them."""

    members: Leaves
    kind: K
    index: int


ACCESS = {"access_revision": 3, "access_sha256": access(3)}
OTHER_SIGNATURE = signature(b"another manifest")
ROWS: dict[str, Row] = {
    "a time that goes back": Row(_at(7, lambda leaf: leaf.update(time=moment(5))), K.TIME, 7),
    "a time that goes back where a bundle begins": Row(_at(256, lambda leaf: leaf.update(time=moment(5))), K.TIME, 256),
    "a time in another form": Row(_at(7, lambda leaf: leaf.update(time="2030-01-01T00:00:07Z")), K.LEAF, 7),
    "a time of no calendar": Row(_at(7, lambda leaf: leaf.update(time="2030-13-01T00:00:07.000000Z")), K.LEAF, 7),
    "no time": Row(_at(7, lambda leaf: leaf.pop("time")), K.LEAF, 7),
    "a number for the time": Row(_at(7, lambda leaf: leaf.update(time=7)), K.LEAF, 7),
    "no type": Row(_at(299, lambda leaf: leaf.pop("type")), K.LEAF, 299),
    "another form": Row(_at(7, lambda leaf: leaf.update(v=2)), K.LEAF, 7),
    "true for the form": Row(_at(7, lambda leaf: leaf.update(v=True)), K.LEAF, 7),
    "no actor": Row(_at(7, lambda leaf: leaf.pop("actor")), K.LEAF, 7),
    "a short id": Row(_at(7, lambda leaf: leaf.update(id="00" * 15)), K.LEAF, 7),
    "the id of a leaf before it": Row(_at(270, lambda leaf: leaf.update(id=signed(3)["id"])), K.LEAF_ID, 270),
    "the same recorded again": Row(
        _replaced(270, {**signed(3), "id": "11" * 16, "time": moment(270)}), K.SIGNED_TWICE, 270
    ),
    "the same emergency recorded again": Row(
        [*leaves(3), *({**signed(3), "emergency": True, "id": id_ * 16, "time": moment(4)} for id_ in ("11", "22"))],
        K.SIGNED_TWICE,
        4,
    ),
    "the signature of another manifest": Row(
        _at(280, lambda leaf: leaf.update(signature=OTHER_SIGNATURE)), K.SIGNATURE, 280
    ),
    "a signature that is no base64": Row(_at(7, lambda leaf: leaf.update(signature="=" * 88)), K.SIGNATURE, 7),
    "a signature given to another, and not the one": Row(
        [*leaves(3), {**signed(2), **common(3, "signature-repeated"), "signature": OTHER_SIGNATURE}], K.SIGNATURE, 3
    ),
    "no signature": Row(_at(7, lambda leaf: leaf.pop("signature")), K.LEAF, 7),
    "no digest of the manifest": Row(_at(7, lambda leaf: leaf.update(manifest_sha256="ab")), K.LEAF, 7),
    "the digest in capitals": Row(
        _at(7, lambda leaf: leaf.update(manifest_sha256=str(leaf["manifest_sha256"]).upper())), K.LEAF, 7
    ),
    "the fingerprint of another key": Row(_at(7, lambda leaf: leaf.update(fingerprint="00" * 32)), K.SIGNATURE, 7),
    "a version that nothing pins": Row(_at(7, lambda leaf: leaf.update(key_version=9)), K.KEY_UNKNOWN, 7),
    "true for a version": Row(_at(7, lambda leaf: leaf.update(key_version=True)), K.LEAF, 7),
    "a version that is pinned later": Row([*leaves(3), signed(3, 2), pinned(4, 2, before=1)], K.KEY_UNKNOWN, 3),
    "a key in the place of another": Row(
        [*leaves(3), {**pinned(3, 2, before=1), "key_version": 1}], K.KEY_CHANGED, 3
    ),
    "a public key with another fingerprint": Row(
        _at(1, lambda leaf: leaf["after"].update(fingerprint="00" * 32)), K.LEAF, 1
    ),
    "a public key that is none": Row(_at(1, lambda leaf: leaf["after"].update(public_key="AAAA")), K.LEAF, 1),
    "what is no event's outcome": Row(_at(1, lambda leaf: leaf.update(after=7)), K.LEAF, 1),
    "access changed from another state": Row([*leaves(3), pinned(3, 2, before=2)], K.ACCESS, 3),
    "access without a state before, in the middle": Row(_replaced(5, created(5)), K.ACCESS, 5),
    "access with a smaller revision": Row(
        [*leaves(3), {**pinned(3, 2, before=1), "access_revision": 0}], K.ACCESS, 3
    ),
    "access that is no digest": Row(_at(1, lambda leaf: leaf.update(access_sha256=5)), K.LEAF, 1),
    "access with the truth for a revision": Row(_at(1, lambda leaf: leaf.update(access_revision=True)), K.LEAF, 1),
    "a log that goes on from another state": Row(
        [*leaves(3), {**common(3, "log-continued"), "access_before": access(2), **ACCESS}], K.ACCESS, 3
    ),
    "the first of several": Row(
        _at(9, lambda leaf: leaf.update(v=2)) and [*_at(9, lambda leaf: leaf.update(time=moment(3)))], K.TIME, 9
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ROWS)
def test_what_is_wrong_in_a_leaf_is_named_with_its_index(sentence: str) -> None:
    row = ROWS[sentence]
    fault = check(WrittenLog.of(row.members)).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (row.kind, row.index), fault.sentence
    assert str(row.index) in fault.sentence


def test_bytes_in_another_spelling_are_no_leaf() -> None:
    made = [canonical_leaf(each) for each in leaves(20)]
    made[7] = json.dumps(json.loads(made[7])).encode()
    fault = check(WrittenLog(made)).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.LEAF, 7)


def test_the_earlier_of_two_faults_is_named() -> None:
    made = _at(100, lambda leaf: leaf.update(v=2))
    made[50]["id"] = made[40]["id"]
    fault = check(WrittenLog.of(made)).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.LEAF_ID, 50)


LOG = WrittenLog.of(leaves(600))
CHANGED = canonical_leaf(signed(270, artifact="another"))
PARTS: dict[str, tuple[dict[str, bytes | None], K, int | None]] = {
    "a leaf that was changed": (
        {"tile/entries/001": packed_bundle([*LOG.entries_[256:270], CHANGED, *LOG.entries_[271:512]])}, K.LEAF_HASH, 270
    ),
    "a leaf that was taken out": (
        {"tile/entries/001": packed_bundle([*LOG.entries_[256:270], *LOG.entries_[271:513]])}, K.LEAF_HASH, 270
    ),
    "a hash that was changed": (
        {"tile/0/001": LOG.hashes(0, 1, 256)[:-1] + b"\0"}, K.LEAF_HASH, 511
    ),
    "a tile above that was changed": ({"tile/1/000.p/2": LOG.hashes(1, 0, 1) + bytes(32)}, K.TILE, 256),
    "a tile that ends early": ({"tile/0/001": LOG.hashes(0, 1, 255)}, K.LEAF_HASH, 511),
    "a tile that is empty": ({"tile/0/000": b""}, K.LEAF_HASH, 0),
    "a tile that goes on": ({"tile/0/001": LOG.hashes(0, 1, 256) + bytes(32)}, K.LEAF_HASH, 512),
    "a tile that is not there": ({"tile/0/002.p/88": None}, K.PART_UNUSABLE, 512),
    "a bundle that is not there": ({"tile/entries/001": None}, K.PART_UNUSABLE, 256),
    "a bundle with an entry less": ({"tile/entries/001": packed_bundle(LOG.entries_[256:511])}, K.BUNDLE, 256),
    "a bundle with an entry more": ({"tile/entries/001": packed_bundle(LOG.entries_[256:513])}, K.BUNDLE, 256),
    "a bundle that is empty": ({"tile/entries/000": b""}, K.BUNDLE, 0),
    "a bundle that breaks off": ({"tile/entries/001": packed_bundle(LOG.entries_[256:512])[:-1]}, K.BUNDLE, 256),
    "a leaf over its bound": (
        {"tile/entries/001": packed_bundle([b"{" * 16385, *LOG.entries_[257:512]])}, K.LEAF_HASH, 256
    ),
    "no checkpoint": ({"checkpoint": None}, K.PART_UNUSABLE, 0),
    "a checkpoint that is none": ({"checkpoint": b"something\n"}, K.CHECKPOINT, None),
    "a checkpoint by another key": ({"checkpoint": note(600, bytes(32), seed=2)}, K.CHECKPOINT, None),
    "a checkpoint with thousands of lines": (
        {"checkpoint": LOG.checkpoint() + LOG.checkpoint().splitlines(keepends=True)[-1] * 3000}, K.CHECKPOINT, None
    ),
    "a checkpoint over another tree": ({"checkpoint": note(600, bytes(32))}, K.ROOT, None),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PARTS)
def test_a_part_that_is_wrong_is_named(sentence: str) -> None:
    changed, kind, index = PARTS[sentence]
    fault = check(WrittenLog(LOG.entries_, changed=changed)).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (kind, index), fault.sentence


class TestSince:
    """Checkpoints that were seen before."""

    @pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 600])
    def test_a_log_that_has_grown_holds(self, size: int) -> None:
        assert check(LOG, since=[LOG.at(size)]).fault is None

    @pytest.mark.parametrize("size", [1, 256, 600])
    def test_another_log_of_that_size_is_found(self, size: int) -> None:
        fault = check(LOG, since=[LOG.at(1), note(size, b"\1" * 32)]).fault
        assert fault is not None
        assert fault.kind is K.SINCE_OTHER

    def test_a_log_that_has_lost_its_end_is_found(self) -> None:
        fault = check(WrittenLog(LOG.entries_[:599]), since=[LOG.at(600)]).fault
        assert fault is not None
        assert (fault.kind, fault.index) == (K.SINCE_LARGER, 599)


def test_processes_side_by_side_find_what_one_finds() -> None:
    made = leaves(2900)
    made[1000:1002] = [pinned(1000, 3, before=1), signed(1001, 3)]
    assert check(WrittenLog.of(made), processes=2).fault is None
    made[2600]["signature"] = OTHER_SIGNATURE
    fault = check(WrittenLog.of(made), processes=2).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.SIGNATURE, 2600)
    assert KEY in fault.sentence
