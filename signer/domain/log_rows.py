"""The rows of a log as a database has them, unverified: leaves with what stands beside them, and the single rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """The row of a signature that a leaf is about, as the database joins it. None: there is none."""

    id: int
    manifest_sha256: str | None
    signature: bytes | None
    key: str | None
    version: int | None


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A leaf, and what stands beside it.

    Attributes:
        columns: the columns by name, those of searching as they were read, times as leaves write them.
        hash: what the row has for the leaf's hash.
        signature: None where the row names none.
    """

    leaf: bytes
    columns: Mapping[str, object]
    hash: bytes
    signature: SignatureRow | None


@dataclass(frozen=True, slots=True)
class TileRow:
    """A full tile, and the hash over it."""

    level: int
    number: int
    hashes: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint under the size that the row says it has."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class MachineRow:
    """What a machine saw of the log."""

    machine: str
    size: int
    root: bytes


# By key, device type and payload type: order, version, and the index of the leaf that says so.
ToldFloors = Mapping[tuple[str, str, str], tuple[str, str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """The single rows and counts of a log, all of one moment.

    Attributes:
        frontier: the hashes, one after the other.
        newest: the time of the newest leaf, as leaves write it; None for an empty log.
        access_sha256: what the head has for the rows that give power.
        access_found: the digest over those rows.
        leaves: how many rows there are.
        tiles: the same, by level.
        largest_checkpoint: the size of the newest; 0 where there is none.
        waiting: rows of the time before the log, which its beginning has taken in.
        signatures: how many rows of signatures there are, and how many leaves are the first about one.
        unkept: tables of the log that the database does not keep from being changed.
        floors: how far versions have come, as the table has it.
    """

    size: int
    root: bytes
    frontier: bytes
    newest: str | None
    access_sha256: str
    access_found: str
    leaves: int
    tiles: Mapping[int, int]
    largest_checkpoint: int
    machines: tuple[MachineRow, ...]
    waiting: int
    signatures: int
    first_leaves: int
    unkept: tuple[str, ...]
    floors: ToldFloors
