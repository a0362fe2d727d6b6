"""The check of a log in the database of this machine: all that a reader from outside sees, and what none sees.

1. Each row of a leaf is what the leaf says in every column; the signatures on record are those in the leaves.
2. The head, tiles and leaves are there in the numbers that follow from the head's size, and nowhere else.
3. The head is that of the leaves: root, frontier, newest time, and the digest of what gives power.
4. The rows that give power are those that the newest leaf about them tells of, and the floors of versions are those of
   the newest leaf about each.
5. Every checkpoint that was ever written is signed by a key of this log, over a tree that the log begins with; so is
   what machines noted of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from signer.domain.log_rows import LogFacts, ToldFloors
from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.database_source import DatabaseSource, LogRows
from signer.log.faults import Fault, FaultKind
from signer.log.levels import tile_root
from verifier.log.hashing import Frontier
from verifier.log.notes import VerifierKey
from verifier.log.tiles import TILE_LEVELS, TILE_WIDTH


def check_database(
    rows: LogRows, checkpoint: bytes | None, plan: CheckPlan, *, former_keys: Sequence[VerifierKey] = ()
) -> Verdict:
    """Look at everything; raises as ``check_log`` does, and what databases raise.

    Args:
        rows: of the log.
        checkpoint: the newest signed one, read before the first row is.
        plan: of what a reader from outside compares.
        former_keys: signed checkpoints of this log once.
    """
    source = DatabaseSource(rows, checkpoint)
    passed = source.passed((*plan.keys, *former_keys))
    verdict = check_log(source, replace(plan, passed=passed, extent=source.extent(), rows=source.rows))
    if verdict.fault is not None:
        return verdict
    faults = faults_of_rows(rows, source.facts, verdict.newest, verdict.access)
    return replace(verdict, fault=next(faults, None))


def faults_of_rows(rows: LogRows, facts: LogFacts, newest: str, access: str | None) -> Iterator[Fault]:
    """What is wrong beside the leaves, which were found to be right. ``newest``, ``access``: as they tell them."""
    if facts.leaves != facts.size:
        yield _head(f"there are {facts.leaves} rows of leaves, and it has {facts.size}")
    if facts.newest != (newest or None):
        yield _head("its time is not that of the newest leaf")
    if facts.access_sha256 != (access or ""):
        yield _head("its digest of what gives power is not that of the newest leaf about it")
    if facts.frontier != b"".join(_frontier(rows, facts.size).hashes):
        yield _head("its frontier is another")
    if facts.largest_checkpoint > facts.size or any(each.size > facts.size for each in facts.machines):
        yield _row("a checkpoint, or what a machine noted", f"it is over more than the {facts.size} leaves of the head")
    yield from _faults_of_access(facts)
    yield from _faults_of_floors(facts.floors, rows.told_floors(facts.size))
    yield from _faults_of_tiles(rows, facts)


def _faults_of_access(facts: LogFacts) -> Iterator[Fault]:
    if facts.size and facts.access_found != facts.access_sha256:
        yield _row(
            "what gives power (keys, versions, certificates, API tokens, policies, people, groups)",
            "no leaf tells of these rows",
        )
    if facts.waiting and facts.size:
        yield _row("what was recorded before the log", "its beginning has taken that in, and more is there")
    if facts.signatures != facts.first_leaves:
        yield _row("the signatures on record", f"there are {facts.signatures}, and leaves of {facts.first_leaves}")
    for table in facts.unkept:
        yield _row(f"the table {table}", "nothing keeps its rows from being changed: a trigger is not there")


def _faults_of_floors(found: ToldFloors, told: ToldFloors) -> Iterator[Fault]:
    for place in sorted(found.keys() | told.keys()):
        if found.get(place) != told.get(place):
            key, device, payload = place
            yield _row(f"the floor of versions of {key} for {device} and {payload}", "the leaves say another one")


def _head(problem: str) -> Fault:
    return Fault(FaultKind.HEAD, None, {"problem": problem})


def _row(row: str, problem: str) -> Fault:
    return Fault(FaultKind.ROW, None, {"row": row, "problem": problem})


def _faults_of_tiles(rows: LogRows, facts: LogFacts) -> Iterator[Fault]:
    counts = {level: facts.size >> (TILE_LEVELS * (level + 1)) for level in range(8)}
    if {level: count for level, count in counts.items() if count} != dict(facts.tiles):
        yield _row("the table of tiles", "it has more or fewer than a log of this size")
    for tile in rows.tiles():
        if tile_root(tile.hashes) != tile.root:
            yield _row(f"tile {tile.level}/{tile.number}", "its root is not the one of its hashes")


def _frontier(rows: LogRows, size: int) -> Frontier:
    """Of the leaves, from hashes that were found to be right."""
    hashes: list[bytes] = []
    for level in reversed(range(8)):
        count = size >> (TILE_LEVELS * level)
        first = count // TILE_WIDTH * TILE_WIDTH
        if level:
            found = rows.roots(level - 1, first, count)
        else:
            found = [row.hash for row in rows.rows(first, count) if row is not None]
        hashes += Frontier().extended(found).hashes
    return Frontier(size, tuple(hashes)) if len(hashes) == size.bit_count() else Frontier()
