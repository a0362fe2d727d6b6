"""A copy of a log in a folder, for who checks it elsewhere: tiles, bundles, checkpoint and the log's keys.

Each file is written whole or not at all, and the checkpoint last: a folder that has one has everything under it. An
export that was interrupted, or of a log that has grown since, goes on with what is there already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from signer.log.export_source import CHECKPOINT, KEYS, ExportSource
from signer.log.faults import Fault, FaultKind
from signer.log.milestones import Milestone, begins_with
from signer.log.progress import replace_file
from signer.log.source import Extent, LogSource, PartUnusable
from verifier.errors import BundleMalformed
from verifier.log.checkpoints import Checkpoint, open_checkpoint
from verifier.log.hashing import HASH_BYTES
from verifier.log.notes import VerifierKey
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH, Tile, bundle_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What became of an export. ``fault``: why nothing was; ``written``: files, without those that were there."""

    checkpoint: Checkpoint
    written: int = 0
    fault: Fault | None = None


def export_log(
    source: LogSource, folder: Path, keys: tuple[VerifierKey, ...], report: Callable[[int, int], None]
) -> Exported:
    """Copy the log up to its newest checkpoint, which ``keys`` signed.

    A folder with a checkpoint that this log does not begin with is left as it is. Raises ``verifier.LogError``,
    ``PartUnusable``, ``signer.errors.LogUnreadable`` and ``OSError``.
    """
    raw = source.checkpoint()
    checkpoint = open_checkpoint(raw, keys).checkpoint
    fault = _other_log(source, folder, keys, checkpoint)
    if fault is not None:
        return Exported(checkpoint=checkpoint, fault=fault)
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for tile in tiles_of(checkpoint.size):
        written += _copy(source, folder, tile)
        if tile.level is None:
            report(tile.leaves.stop, checkpoint.size)
    # What the checkpoint is over has to be on the disk before it.
    os.sync()
    replace_file(folder / KEYS, "".join(f"{key}\n" for key in keys).encode())
    replace_file(folder / CHECKPOINT, raw)
    return Exported(checkpoint=checkpoint, written=written)


def tiles_of(size: int) -> Iterator[Tile]:
    """All tiles and bundles of a log of this size, those of leaves first."""
    for level in (None, *range(8)):
        count = size >> (TILE_LEVELS * (level or 0))
        for number in range(count // TILE_WIDTH):
            yield Tile(level=level, number=number)
        if count % TILE_WIDTH:
            yield Tile(level=level, number=count // TILE_WIDTH, width=count % TILE_WIDTH)


def _other_log(source: LogSource, folder: Path, keys: tuple[VerifierKey, ...], checkpoint: Checkpoint) -> Fault | None:
    try:
        before = open_checkpoint(ExportSource(folder).checkpoint(), keys).checkpoint
    except PartUnusable:
        return None
    if before.size > checkpoint.size:
        return Fault(FaultKind.SINCE_LARGER, checkpoint.size, {"size": checkpoint.size, "since": before.size})
    whole = Extent(checkpoint.size, checkpoint.root)
    return begins_with(Milestone(before.size, before.root, FaultKind.SINCE_OTHER), whole, source.hashes)


def _copy(source: LogSource, folder: Path, tile: Tile) -> bool:
    path = folder / tile.path
    if _whole(path, tile):
        return False
    if tile.level is None:
        content = source.entries(tile.number, tile.width)
    else:
        content = source.hashes(tile.level, tile.number, tile.width)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)
    return True


def _whole(path: Path, tile: Tile) -> bool:
    """Whether an earlier export left it, whole: after a crash of the machine a file may be empty."""
    try:
        content = path.read_bytes()
        if tile.level is not None:
            return len(content) == tile.width * HASH_BYTES
        return sum(1 for _ in bundle_entries(content)) == tile.width
    except (FileNotFoundError, BundleMalformed):
        return False
