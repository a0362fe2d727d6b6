"""What witnesses are shown of a log, and what the desk takes from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from signer.errors import LogRolledBack, SignerError
from signer.recorder.checkpointer import Certified
from signer.recorder.desk import Desk
from signer.recorder.outside import CommittedTree
from signer.recorder.release import Release
from tests.support.memory_log import MemoryLog, log_of
from verifier.log import EMPTY_ROOT, Frontier, leaf_hash, verify_consistency


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 300])
def test_the_tree_is_that_of_the_log(size: int) -> None:
    log = log_of(300)
    tree = CommittedTree(log)
    root = Frontier().extended(leaf_hash(leaf) for leaf in log.contents[:size]).root
    assert (tree.size(), tree.root(size)) == (300, root)
    path = tree.consistency(size, 300)
    old_root = root if size else EMPTY_ROOT
    verify_consistency(old_size=size, old_root=old_root, size=300, root=log.frontier.root, path=path)


def test_a_log_that_was_changed_is_read_anew() -> None:
    log = log_of(300)
    tree = CommittedTree(log)
    before = tree.root(300)
    other = MemoryLog()
    for number in range(300):
        other.add(b"another %d" % number)
    log.levels = other.levels
    assert tree.root(300) == other.frontier.root != before


@dataclass(slots=True)
class Told:
    """Somebody outside, and what was shown there."""

    shown: list[bytes] = field(default_factory=list)
    learnt: SignerError | None = None

    def offer(self, checkpoint: bytes) -> None:
        self.shown.append(checkpoint)

    def stopped(self) -> SignerError | None:
        return self.learnt


def test_each_certified_checkpoint_is_shown_once_and_a_rollback_stops_all() -> None:
    release = Release(None, certified=Certified(order=0, size=3, note=b"three"))
    outside = Told()
    desk = Desk(records=None, release=release, send=lambda *_: None, outside=outside)
    desk.rest()
    desk.rest()
    assert outside.shown == [b"three"]
    outside.learnt = LogRolledBack(verified=9, found=3)
    desk.rest()
    assert release.found is outside.learnt
    assert (release.trouble is not None, outside.shown) == (True, [b"three"])
