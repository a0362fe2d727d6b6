"""Marks that no two leaves may share, in piles that are small enough."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from signer.log.bundle import NO_MARK
from signer.log.faults import FaultKind
from signer.log.uniqueness import Marks


def _mark(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()[:16]


def _marks(leaves: int, changed: dict[int, bytes]) -> bytes:
    return b"".join(changed.get(place, _mark(place)) for place in range(2 * leaves))


@pytest.mark.parametrize("in_memory", [16, 64, 1 << 19])
class TestAtEachSizeOfAPile:
    def test_marks_that_differ_are_well(self, in_memory: int) -> None:
        assert self._fault({}, in_memory) is None

    def test_leaves_that_record_nothing_share_nothing(self, in_memory: int) -> None:
        assert self._fault(dict.fromkeys(range(1, 1000, 2), NO_MARK), in_memory) is None

    def test_the_first_that_repeats_one_is_named(self, in_memory: int) -> None:
        fault = self._fault({900: _mark(10), 601: _mark(11), 701: _mark(13), 899: _mark(601)}, in_memory)
        assert fault == (FaultKind.SIGNED_TWICE, 300, 5)

    def test_an_id_is_told_from_what_is_recorded(self, in_memory: int) -> None:
        assert self._fault({998: _mark(0)}, in_memory) == (FaultKind.LEAF_ID, 499, 0)

    @staticmethod
    def _fault(changed: dict[int, bytes], in_memory: int) -> tuple[FaultKind, int | None, object] | None:
        marks = Marks(None, in_memory=in_memory)
        try:
            marks.add(_marks(500, changed))
            fault = marks.fault()
        finally:
            marks.close()
        return None if fault is None else (fault.kind, fault.index, fault.facts["other"])


def test_what_is_kept_is_cut_to_what_counts(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    first = Marks(path)
    first.add(_marks(3, {}))
    first.sync()
    first.close()
    again = Marks(path, leaves=2)
    again.add(_marks(1, {0: _mark(5), 1: _mark(2)}))
    fault = again.fault()
    again.close()
    assert fault is not None
    assert (fault.index, fault.facts["other"]) == (2, 1)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "marks").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        Marks(tmp_path / "marks")
