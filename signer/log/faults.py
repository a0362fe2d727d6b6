"""What can be wrong in a log: one kind for each rule, with the first leaf that it concerns and the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """Why a log does not hold."""

    CHECKPOINT = "checkpoint"
    PART_UNUSABLE = "part-unusable"
    BUNDLE = "bundle"
    LEAF = "leaf"
    LEAF_HASH = "leaf-hash"
    TILE = "tile"
    ROOT = "root"
    TIME = "time"
    LEAF_ID = "leaf-id"
    SIGNED_TWICE = "signed-twice"
    KEY_UNKNOWN = "key-unknown"
    KEY_CHANGED = "key-changed"
    SIGNATURE = "signature"
    ACCESS = "access"
    BESIDE = "beside"
    HEAD = "head"
    ROW = "row"
    CHECKPOINT_ROW = "checkpoint-row"
    MACHINE = "machine"
    CHECKPOINT_FILE = "checkpoint-file"
    SINCE_LARGER = "since-larger"
    SINCE_OTHER = "since-other"
    STATE_OTHER = "state-other"


SENTENCES: Mapping[FaultKind, str] = {
    FaultKind.CHECKPOINT: "the checkpoint is not one of this log: {problem}",
    FaultKind.PART_UNUSABLE: "{path} cannot be used: {problem}",
    FaultKind.BUNDLE: "the bundle {path} is not one: {problem}",
    FaultKind.LEAF: "leaf {index} is not one: {problem}",
    FaultKind.LEAF_HASH: "leaf {index} is not the one whose hash the tile {path} holds",
    FaultKind.TILE: "the tile {path} does not follow from the leaves, first in the hash over leaf {index}",
    FaultKind.ROOT: "the leaves give another tree than the checkpoint of size {size} is over; {where}",
    FaultKind.TIME: "leaf {index} is of {time}, and a leaf before it of {newest}: only a correction of the clock may",
    FaultKind.LEAF_ID: "leaf {index} has the id of leaf {other}",
    FaultKind.SIGNED_TWICE: "leaf {index} records what leaf {other} records: this manifest, version and checked",
    FaultKind.KEY_UNKNOWN: "leaf {index} is signed with version {version} of key {key}, which no leaf before it pins",
    FaultKind.KEY_CHANGED: "leaf {index} pins another public key for version {version} of key {key} than a leaf before",
    FaultKind.SIGNATURE: "the signature in leaf {index} is not one by version {version} of key {key}: {problem}",
    FaultKind.ACCESS: "leaf {index} changed access, and does not go on from the leaves before it: {problem}",
    FaultKind.BESIDE: "beside leaf {index} the database has another {column} than the leaf says",
    FaultKind.HEAD: "the head of the log in the database is not that of its leaves: {problem}",
    FaultKind.ROW: "{row} is not what it has to be: {problem}",
    FaultKind.CHECKPOINT_ROW: "the checkpoint of size {size} in the database is not one of this log: {where}",
    FaultKind.MACHINE: "the machine {who} noted another tree for {size} leaves than the log has: {where}",
    FaultKind.CHECKPOINT_FILE: "the file of the newest checkpoint cannot be compared with: {problem}",
    FaultKind.SINCE_LARGER: "the log has {size} leaves, and a checkpoint that was given {since}: its end is gone",
    FaultKind.SINCE_OTHER: "the log does not begin with the tree of the checkpoint of size {since} that was given",
    FaultKind.STATE_OTHER: "the log does not begin with the {since} leaves that were verified before",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``index``: the first leaf that it concerns; None where no single leaf can be named."""

    kind: FaultKind
    index: int | None
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """For people, without a full stop."""
        return SENTENCES[self.kind].format(index=self.index, **self.facts)

    @property
    def place(self) -> int:
        """Where it stands among others: what names no leaf comes last."""
        return 1 << 63 if self.index is None else self.index


def first_of(faults: list[Fault]) -> Fault | None:
    """The one at the first leaf; of several there the first that was found."""
    return min(faults, key=lambda fault: fault.place, default=None)
