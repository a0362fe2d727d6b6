"""A log in a folder: written whole, gone on with, read back, and what a hostile folder can hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from signer.errors import LogUnreadable
from signer.log.check import CheckPlan, Verdict, check_log
from signer.log.export import Exported, export_log, tiles_of
from signer.log.export_source import ExportSource
from signer.log.faults import FaultKind as K
from signer.log.source import MAX_BUNDLE_BYTES, PartUnusable
from tests.support.written_logs import WrittenLog, common, created, leaves, verifier_key

LOG = WrittenLog.of(leaves(600))


def export(log: WrittenLog, folder: Path) -> Exported:
    return export_log(log, folder, (verifier_key(),), lambda _done, _all: None)


def check(folder: Path) -> Verdict:
    return check_log(ExportSource(folder), CheckPlan(keys=(verifier_key(),)))


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257])
def test_an_export_holds_at_every_size(tmp_path: Path, size: int) -> None:
    export(WrittenLog.of(leaves(size)), tmp_path / "log")
    verdict = check(tmp_path / "log")
    assert verdict.fault is None
    assert verdict.checkpoint is not None
    assert verdict.checkpoint.size == size


@pytest.mark.slow
def test_a_log_with_three_levels_of_tiles_holds(tmp_path: Path) -> None:
    log = WrittenLog.of([created(), *(common(index, "something") for index in range(1, 65_537))])
    export(log, tmp_path)
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == log.hashes(2, 0, 1)
    assert (tmp_path / "tile/entries/256.p/1").exists()
    assert check(tmp_path).fault is None
    (tmp_path / "tile/2/000.p/1").write_bytes(bytes(32))
    fault = check(tmp_path).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.TILE, 0)


def test_the_tiles_of_a_large_log_are_those_of_the_layout() -> None:
    paths = [tile.path for tile in tiles_of(70_000) if tile.level is not None]
    assert len(paths) == 274 + 2 + 1
    assert {"tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= set(paths)
    assert len(list(tiles_of(65_537))) == 257 + 257 + 1 + 1
    assert [tile.path for tile in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]


def test_a_log_that_has_grown_is_gone_on_with(tmp_path: Path) -> None:
    first = export(WrittenLog(LOG.entries_[:300]), tmp_path)
    second = export(LOG, tmp_path)
    assert (first.written, second.written) == (5, 5)
    assert check(tmp_path).fault is None
    assert export(LOG, tmp_path).written == 0


@pytest.mark.parametrize("content", [b"", b"\0", LOG.entries(0, 255)], ids=["nothing", "a byte", "too few entries"])
def test_what_is_not_whole_is_written_again(tmp_path: Path, content: bytes) -> None:
    export(LOG, tmp_path)
    for name in ("tile/entries/000", "tile/0/001"):
        (tmp_path / name).write_bytes(content)
    assert export(LOG, tmp_path).written == 2
    assert check(tmp_path).fault is None


def test_an_interrupted_export_has_no_checkpoint(tmp_path: Path) -> None:
    broken = WrittenLog(LOG.entries_, changed={"tile/entries/001": None})
    with pytest.raises(PartUnusable):
        export(broken, tmp_path)
    assert not (tmp_path / "checkpoint").exists()
    assert export(LOG, tmp_path).fault is None
    assert check(tmp_path).fault is None


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (WrittenLog.of([{**leaves(1)[0], "actor": "x"}, *leaves(300)[1:]]), K.SINCE_OTHER),
        (WrittenLog(LOG.entries_[:299]), K.SINCE_LARGER),
    ],
    ids=["another log", "a smaller one"],
)
def test_an_export_of_another_log_is_left_as_it_is(tmp_path: Path, other: WrittenLog, kind: K) -> None:
    export(WrittenLog(LOG.entries_[:300]), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fault = export(other, tmp_path).fault
    assert fault is not None
    assert fault.kind is kind
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def _file(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _pipe(folder: Path) -> None:
    (folder / "tile/entries/000").unlink()
    os.mkfifo(folder / "tile/entries/000")


DAMAGE: dict[str, tuple[Callable[[Path], object], K, int | None]] = {
    "a tile that is gone": (lambda folder: (folder / "tile/0/001").unlink(), K.PART_UNUSABLE, 256),
    "no checkpoint": (lambda folder: (folder / "checkpoint").unlink(), K.PART_UNUSABLE, 0),
    "a huge checkpoint": (_file("checkpoint", b"x" * (1 << 20)), K.PART_UNUSABLE, 0),
    "a huge tile": (_file("tile/0/001", bytes(1 << 20)), K.PART_UNUSABLE, 256),
    "a huge bundle": (_file("tile/entries/001", bytes(MAX_BUNDLE_BYTES + 1)), K.PART_UNUSABLE, 256),
    "a bundle of zeros": (_file("tile/entries/001", bytes(512)), K.LEAF_HASH, 256),
    "a pipe in the place of a bundle": (_pipe, K.BUNDLE, 0),
}


@pytest.mark.parametrize("sentence", DAMAGE)
def test_damage_is_named(tmp_path: Path, sentence: str) -> None:
    damage, kind, index = DAMAGE[sentence]
    export(LOG, tmp_path)
    damage(tmp_path)
    fault = check(tmp_path).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (kind, index), fault.sentence


def test_a_full_tile_serves_for_a_partial_one(tmp_path: Path) -> None:
    export(LOG, tmp_path)
    (tmp_path / "checkpoint").write_bytes(LOG.at(500))
    (tmp_path / "tile/1/000.p/1").parent.mkdir(exist_ok=True)
    (tmp_path / "tile/1/000.p/1").write_bytes(LOG.hashes(1, 0, 1))
    assert check(tmp_path).fault is None


def test_a_full_bundle_that_is_none_serves_for_nothing(tmp_path: Path) -> None:
    export(LOG, tmp_path)
    (tmp_path / "checkpoint").write_bytes(LOG.at(500))
    (tmp_path / "tile/entries/001").write_bytes(b"\xff\xff")
    fault = check(tmp_path).fault
    assert fault is not None
    assert (fault.kind, fault.index) == (K.PART_UNUSABLE, 256)


def test_what_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    export(LOG, tmp_path)
    (tmp_path / "tile/0/001").unlink()
    (tmp_path / "tile/0/001").mkdir()
    with pytest.raises(LogUnreadable, match="directory"):
        check(tmp_path)
