"""One look at a log: that it continues what was seen, that its leaves are those it covers, and what they say.

1. The checkpoint is the log's own: a key of the log signed it.
2. It continues the newest one that was seen: proved by the log's tiles before anything else is looked at. A smaller
   one has to be the beginning of what was seen.
3. Leaves are read a step at a time. Those of a step are told only after the step is proved to be the log's.
4. What was read is kept after it was told: after a crash something is told twice, and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from signer.errors import CheckpointRefused, LogEntryWrong, LogInconsistent
from signer.log.source import LogSource, PartUnusable
from signer.monitor.expectations import Expectations
from signer.monitor.findings import Finding, told
from signer.monitor.seen import Seen
from signer.monitor.tree import TileTree
from verifier.errors import BundleMalformed, ConsistencyRefused, LogError
from verifier.log import (
    Checkpoint,
    Frontier,
    Tile,
    VerifierKey,
    bundle_entries,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
)
from verifier.log.hashing import HASH_BYTES
from verifier.log.tiles import TILE_WIDTH

STEP_LEAVES = 16 * TILE_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Smaller:
    """The log shows a smaller checkpoint than was seen, which is its beginning as far as that can be shown."""

    shown_size: int
    seen_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Looks at one log. ``tell`` is called with each finding, ``keep`` with what is to be remembered after it.

    ``allow_emergency``: signatures in an emergency are told no more than others.
    """

    source: LogSource
    log_keys: Sequence[VerifierKey]
    expectations: Expectations | None
    tell: Callable[[Finding], None]
    keep: Callable[[Seen], None]
    allow_emergency: bool = False

    def look(self, seen: Seen) -> Seen | Smaller:
        """What is seen now. Raises ``LogInconsistent``, ``LogEntryWrong``, and why it cannot be looked at."""
        note = self.source.checkpoint()
        try:
            shown = open_checkpoint(note, self.log_keys).checkpoint
        except LogError as error:
            raise CheckpointRefused(problem=error.code) from None
        before = seen.checkpoint
        if before is not None and shown.size < before.size:
            self._begins(shown, note, seen, before)
            return Smaller(shown_size=shown.size, seen_size=before.size)
        tree = TileTree(self.source, shown.size)
        if before is not None:
            try:
                _prove(before.size, before.root, shown, tree)
            except ConsistencyRefused:
                raise _contradiction(seen, before, note, shown) from None
        now = replace(seen, note=note)
        self.keep(now)
        return self._read(now, shown, tree, note)

    def _read(self, seen: Seen, shown: Checkpoint, tree: TileTree, note: bytes) -> Seen:
        while seen.frontier.size < shown.size:
            first = seen.frontier.size
            end = min(shown.size, first - first % STEP_LEAVES + STEP_LEAVES)
            leaves = self._leaves(first, end, shown.size)
            hashes = [leaf_hash(leaf) for leaf in leaves]
            frontier = seen.frontier.extended(hashes)
            try:
                _prove(end, frontier.root, shown, tree)
            except ConsistencyRefused:
                wrong = _first_wrong(first, hashes, tree, shown.size)
                raise LogEntryWrong(index=wrong, shown=note.decode("utf-8")) from None
            position = seen.position
            for index, leaf in enumerate(leaves, first):
                findings, position = told(
                    leaf, index, position, self.expectations, allow_emergency=self.allow_emergency
                )
                for finding in findings:
                    self.tell(finding)
            seen = seen.read_to(frontier, position)
            self.keep(seen)
        return seen

    def _leaves(self, first: int, end: int, size: int) -> list[bytes]:
        found: list[bytes] = []
        for number in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
            start = number * TILE_WIDTH
            found += self._bundle(number, min(TILE_WIDTH, size - start))[max(0, first - start) : end - start]
        return found

    def _bundle(self, number: int, width: int) -> list[bytes]:
        path = Tile(level=None, number=number, width=width).path
        try:
            entries = list(bundle_entries(self.source.entries(number, width)))
        except BundleMalformed as error:
            raise PartUnusable(path=path, first=number * TILE_WIDTH, problem=error.problem) from None
        if len(entries) != width:
            raise PartUnusable(
                path=path, first=number * TILE_WIDTH, problem="it has more or fewer entries than it has to"
            )
        return entries

    def _begins(self, shown: Checkpoint, note: bytes, seen: Seen, before: Checkpoint) -> None:
        """Refuse a smaller checkpoint that is not the beginning of what was seen."""
        try:
            path = TileTree(self.source, before.size).consistency(shown.size, before.size)
            verify_consistency(old_size=shown.size, old_root=shown.root, size=before.size, root=before.root, path=path)
        except PartUnusable:
            # It serves no more than it shows: then what was seen has to be in what it serves, as far as it goes.
            if _beginning(seen.frontier, shown.size, TileTree(self.source, shown.size)).root != shown.root:
                raise _contradiction(seen, before, note, shown) from None
        except ConsistencyRefused:
            raise _contradiction(seen, before, note, shown) from None


def _prove(old_size: int, old_root: bytes, shown: Checkpoint, tree: TileTree) -> None:
    path = tree.consistency(old_size, shown.size)
    verify_consistency(old_size=old_size, old_root=old_root, size=shown.size, root=shown.root, path=path)


def _beginning(frontier: Frontier, size: int, tree: TileTree) -> Frontier:
    """The first ``size`` leaves of a larger tree: its own subtrees where they end before that, the others by tiles."""
    hashes: list[bytes] = []
    first = 0
    for level in reversed(range(size.bit_length())):
        if not size >> level & 1:
            continue
        same = frontier.size >> level == size >> level and len(hashes) < len(frontier.hashes)
        hashes.append(frontier.hashes[len(hashes)] if same else tree.perfect(level, first >> level))
        first += 1 << level
    return Frontier(size, tuple(hashes))


def _first_wrong(first: int, hashes: Sequence[bytes], tree: TileTree, size: int) -> int:
    for index, found in enumerate(hashes, first):
        number, place = divmod(index, TILE_WIDTH)
        tile = tree.leaf_hashes(number, min(TILE_WIDTH, size - number * TILE_WIDTH))
        if tile[place * HASH_BYTES : (place + 1) * HASH_BYTES] != found:
            return index
    return first


def _contradiction(seen: Seen, before: Checkpoint, note: bytes, shown: Checkpoint) -> LogInconsistent:
    return LogInconsistent(
        seen_size=before.size,
        shown_size=shown.size,
        seen=(seen.note or b"").decode("utf-8"),
        shown=note.decode("utf-8"),
    )
