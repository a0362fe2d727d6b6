"""The check of a whole log: every leaf, every hash, every signature, and the checkpoint over all of it.

1. Each leaf is in its one spelling, no older than the one before it unless it corrects the clock, has an id of its own,
   and records what no other leaf records.
2. Each signature in a leaf verifies with the public key that a leaf before it pins for that version.
3. Each change of access goes on from where the one before it ended.
4. Tiles are the hashes of the leaves and of the tiles below them; their tree is the one that the checkpoint is over,
   and it begins with the trees of all checkpoints that were given.

The first leaf that breaks a rule is named. Memory does not grow with the log, except by its keys.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from signer.domain.log_rows import LeafRow
from signer.errors import LogStateUnusable
from signer.log.bundle import tile_of_leaves
from signer.log.crowd import Crowd, Job, Looked
from signer.log.faults import Fault, FaultKind, first_of
from signer.log.keybook import KeyBook
from signer.log.milestones import Milestone, Milestones, begins_with
from signer.log.progress import Progress, read_progress, replace_file, saved_progress
from signer.log.source import Extent, LogSource, PartUnusable
from signer.log.uniqueness import Marks
from verifier.errors import LogError
from verifier.log.checkpoints import Checkpoint, open_checkpoint
from verifier.log.hashing import HASH_BYTES
from verifier.log.notes import VerifierKey
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH, Tile, packed_bundle
from verifier.wording import explain

BUNDLES_PER_SAVE = 512
Report = Callable[[int, int], None]
"""Called with the leaves that are done, and all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the check found. ``fault``: None where the log holds.

    Attributes:
        checkpoint: what the log was compared with; None where there is no sound one.
        size: leaves of the log, with those that no checkpoint covers yet.
        began: leaves that an earlier check had verified.
        signatures: how many were checked, those of earlier checks with them.
        newest: the time of the newest leaf, as leaves have it; empty where there is none.
        access: the digest of what gives power, as the newest leaf about it has it.
    """

    checkpoint: Checkpoint | None
    size: int = 0
    began: int = 0
    signatures: int = 0
    newest: str = ""
    access: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """What to compare a log with, and how.

    Attributes:
        keys: of the log, all under one name, its origin.
        since: signed checkpoints of this log that were seen before.
        passed: what else has to be found on the way, in the order of sizes.
        extent: of a log that may go further than its checkpoint; what has no checkpoint yet is checked as well.
        rows: leaves of a bundle with what a database has beside them, in the place of its entries.
        state: a file that says how far an earlier check came.
    """

    keys: Sequence[VerifierKey]
    since: Sequence[bytes] = ()
    passed: Iterable[Milestone] = ()
    extent: Extent | None = None
    rows: Callable[[int, int], Sequence[LeafRow]] | None = None
    state: Path | None = None
    processes: int | None = None
    report: Report = field(default=lambda _done, _all: None)


def check_log(source: LogSource, plan: CheckPlan) -> Verdict:
    """Look at everything; raises ``LogUnreadable``, ``LogStateUnusable`` or ``LogCheckInterrupted``.

    ``verifier.LogError`` where a checkpoint of ``plan.since`` is none of this log.
    """
    since = [open_checkpoint(raw, plan.keys).checkpoint for raw in plan.since]
    try:
        checkpoint = open_checkpoint(source.checkpoint(), plan.keys).checkpoint
    except LogError as error:
        return Verdict(checkpoint=None, fault=Fault(FaultKind.CHECKPOINT, None, {"problem": explain(error).sentence}))
    except PartUnusable as error:
        return Verdict(checkpoint=None, fault=_unusable(error))
    whole = plan.extent or Extent(checkpoint.size, checkpoint.root)
    larger = [each for each in (checkpoint, *since) if each.size > whole.size]
    if larger:
        facts = {"size": whole.size, "since": larger[0].size}
        return Verdict(checkpoint=checkpoint, fault=Fault(FaultKind.SINCE_LARGER, whole.size, facts))
    return _Check(source, plan, checkpoint, since).run()


class _Check:
    """One way through a log."""

    def __init__(self, source: LogSource, plan: CheckPlan, checkpoint: Checkpoint, since: Sequence[Checkpoint]) -> None:
        self._source, self._plan, self._checkpoint = source, plan, checkpoint
        self._whole = plan.extent or Extent(checkpoint.size, checkpoint.root)
        self._progress = Progress() if plan.state is None else read_progress(plan.state, checkpoint.origin)
        self._began = self._progress.size
        seen = sorted((Milestone(each.size, each.root, FaultKind.SINCE_OTHER) for each in since), key=lambda m: m.size)
        self._behind = [each for each in seen if each.size <= self._began]
        if self._began:
            self._behind.append(Milestone(self._began, self._progress.levels.frontier().root, FaultKind.STATE_OTHER))
        signed = Milestone(checkpoint.size, checkpoint.root, FaultKind.ROOT)
        ahead = [each for each in (*seen, signed) if self._began < each.size]
        ahead.sort(key=lambda each: each.size)
        self._milestones = Milestones(_merged(ahead, plan.passed))

    def run(self) -> Verdict:
        fault: Fault | None
        if self._began > self._whole.size:
            fault = Fault(FaultKind.STATE_OTHER, self._whole.size, {"since": self._began})
            return Verdict(checkpoint=self._checkpoint, began=self._began, fault=fault)
        bundles = -(-self._whole.size // TILE_WIDTH) - self._progress.levels.bundles
        with Crowd(bundles, processes=self._plan.processes) as self._crowd:
            self._marks = _marks(self._plan.state, self._began)
            try:
                fault = self._looked_at()
            finally:
                self._marks.close()
        return Verdict(
            checkpoint=self._checkpoint,
            size=self._whole.size,
            began=self._began,
            signatures=self._progress.signatures,
            newest=self._progress.newest,
            access=self._progress.access,
            fault=fault,
        )

    def _looked_at(self) -> Fault | None:
        self._keys = KeyBook(self._progress, known=self._crowd.pin)
        try:
            behind = (begins_with(each, self._whole, self._source.hashes) for each in self._behind)
            fault = next((each for each in behind if each is not None), None) or self._through() or self._end()
        except PartUnusable as error:
            fault = _unusable(error)
        if fault is not None and fault.kind in (FaultKind.STATE_OTHER, FaultKind.SINCE_OTHER):
            return fault
        return first_of([each for each in (fault, self._marks.fault()) if each is not None])

    def _through(self) -> Fault | None:
        self._tail = b""
        self._settled: bytes | None = None
        for looked in self._bundles():
            if looked.width < TILE_WIDTH:
                # What the last leaves bring is forgotten again: the next time they are looked at in a full bundle.
                self._settled = saved_progress(self._progress, self._checkpoint.origin)
            fault = self._take(looked)
            if fault is not None:
                return fault
            done = looked.number * TILE_WIDTH + looked.width
            self._plan.report(done, self._whole.size)
            if looked.width == TILE_WIDTH and self._progress.levels.bundles % BUNDLES_PER_SAVE == 0:
                self._save()
        return None

    def _bundles(self) -> Iterator[Looked]:
        size = self._whole.size
        for first in range(self._began, size, TILE_WIDTH):
            number, width = first // TILE_WIDTH, min(TILE_WIDTH, size - first)
            yield from self._crowd.look(self._job(number, width))
        yield from self._crowd.rest()

    def _job(self, number: int, width: int) -> Job:
        if self._plan.rows is None:
            return Job(number, width, self._source.entries(number, width))
        rows = self._plan.rows(number, width)
        return Job(number, width, packed_bundle(row.leaf for row in rows), rows)

    def _take(self, looked: Looked) -> Fault | None:
        facts, first = looked.facts, looked.number * TILE_WIDTH
        if facts.fault is not None and facts.fault.kind is FaultKind.BUNDLE:
            return facts.fault
        self._marks.add(facts.marks)
        faults = [self._differing(looked), facts.fault, self._progress.take_time(first, facts.starts, facts.ends)]
        faults += (self._progress.take_access(step) for step in facts.access)
        faults += self._keys.take(facts)
        # A bundle with a wrong leaf says nothing of what comes after that leaf.
        fault = first_of([each for each in faults if each is not None])
        return fault or self._milestones.pass_by(self._progress.levels.frontier(), facts.hashes) or self._grow(looked)

    def _differing(self, looked: Looked) -> Fault | None:
        tile = tile_of_leaves(looked.number * TILE_WIDTH, looked.width)
        place = self._difference(tile, looked.facts.hashes)
        return None if place is None else Fault(FaultKind.LEAF_HASH, place, {"path": tile.path})

    def _difference(self, tile: Tile, computed: bytes) -> int | None:
        """The first leaf below a hash that the source has otherwise."""
        assert tile.level is not None  # noqa: S101  (no bundle is asked for here)
        stored = self._source.hashes(tile.level, tile.number, tile.width)
        if stored == computed:
            return None
        same = 0
        while stored[same : same + HASH_BYTES] == computed[same : same + HASH_BYTES]:
            same += HASH_BYTES
        return tile.leaves.start + (same // HASH_BYTES << (TILE_LEVELS * tile.level))

    def _grow(self, looked: Looked) -> Fault | None:
        if looked.width < TILE_WIDTH:
            self._tail = looked.facts.hashes
            return None
        return self._compared(self._progress.levels.add(looked.root))

    def _compared(self, tiles: Iterable[tuple[Tile, bytes]]) -> Fault | None:
        for tile, hashes in tiles:
            place = self._difference(tile, hashes)
            if place is not None:
                return Fault(FaultKind.TILE, place, {"path": tile.path})
        return None

    def _end(self) -> Fault | None:
        levels = self._progress.levels
        root = levels.frontier(self._tail).root
        whole = Milestone(self._whole.size, self._whole.root, FaultKind.ROOT)
        other = None if root == whole.root else whole.fault(self._milestones.good)
        fault = self._compared(levels.partial()) or other
        if fault is None:
            self._save()
        return fault

    def _save(self) -> None:
        if self._plan.state is not None:
            self._marks.sync()
            settled = self._settled or saved_progress(self._progress, self._checkpoint.origin)
            replace_file(self._plan.state, settled)


def _merged(seen: list[Milestone], passed: Iterable[Milestone]) -> Iterator[Milestone]:
    return heapq.merge(seen, passed, key=lambda each: each.size)


def _marks(state: Path | None, leaves: int) -> Marks:
    path = None if state is None else state.with_name(f"{state.name}.marks")
    try:
        return Marks(path, leaves=leaves)
    except OSError as error:
        raise LogStateUnusable(path=str(path), reason=(error.strerror or "it cannot be used").lower()) from error


def _unusable(error: PartUnusable) -> Fault:
    return Fault(FaultKind.PART_UNUSABLE, error.first, {"path": error.path, "problem": error.problem})
