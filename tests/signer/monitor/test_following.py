"""Following a log: one that grows is read to its end, and no other is taken for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from signer.errors import LogEntryWrong, LogInconsistent, SignerError
from signer.log.source import PartUnusable
from signer.monitor.findings import Finding
from signer.monitor.following import STEP_LEAVES, Follower, Smaller
from signer.monitor.seen import Seen, read_seen, write_seen
from tests.signer.monitor.leaves import Served, leaf, releases
from tests.support.made_logs import ORIGIN, MadeLog, NoteKey
from verifier.log import Checkpoint

SIZE = 300
LOG = releases(SIZE)
NOTHING = Seen(origin=ORIGIN)


def fork(at: int, size: int = SIZE) -> MadeLog:
    """The same log up to a leaf, and another one from it on."""
    leaves = [*LOG.leaves[:at], *(leaf(index=index, artifact="other") for index in range(at, size))]
    return MadeLog(leaves=leaves)


@dataclass(slots=True, kw_only=True)
class Reader:
    """A follower, what it told, and what it would remember after a crash."""

    told: list[Finding] = field(default_factory=list)
    kept: list[Seen] = field(default_factory=list)

    def look(self, source: Served, seen: Seen = NOTHING) -> Seen | Smaller:
        keys = [key.verifier for key in LOG.keys]
        follower = Follower(
            source=source, log_keys=keys, expectations=None, tell=self.told.append, keep=self.kept.append
        )
        return follower.look(seen)


def seen_of(size: int, log: MadeLog = LOG) -> Seen:
    found = Reader().look(Served(log=log, size=size))
    assert isinstance(found, Seen)
    return found


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, SIZE])
def test_a_log_is_read_to_its_end(size: int) -> None:
    found = seen_of(size)
    assert (found.checkpoint, found.frontier) == (LOG.head(size), LOG.frontier(size))


@pytest.mark.parametrize("old", [0, 1, 2, 3, 128, 255, 256, 257, 299, SIZE])
def test_a_log_that_grew_is_followed(old: int) -> None:
    found = Reader().look(Served(log=LOG), seen_of(old))
    assert isinstance(found, Seen)
    assert found.frontier == LOG.frontier(SIZE)


def test_each_leaf_is_told_once_over_several_looks() -> None:
    log = MadeLog(leaves=[leaf("key-rotated", index) for index in range(20)])
    reader = Reader()
    found: Seen | Smaller = NOTHING
    for size in (0, 1, 5, 5, 17, 20):
        assert isinstance(found, Seen)
        found = reader.look(Served(log=log, size=size), found)
    assert [finding.index for finding in reader.told] == list(range(20))


def test_long_logs_are_read_in_steps_that_are_kept() -> None:
    size = STEP_LEAVES + 5
    log = MadeLog(leaves=[leaf(index=index % 3600) for index in range(size)])
    reader = Reader()
    found = reader.look(Served(log=log))
    assert isinstance(found, Seen)
    assert [each.frontier.size for each in reader.kept] == [0, STEP_LEAVES, size]
    again = reader.look(Served(log=log), reader.kept[1])
    assert again == found


@pytest.mark.parametrize("old", [1, 2, 4, 129, 256, 299])
@pytest.mark.parametrize("size", [257, SIZE])
def test_another_history_is_a_contradiction_with_both_notes(old: int, size: int) -> None:
    other = fork(old - 1)
    if old > size:
        return
    with pytest.raises(LogInconsistent) as caught:
        Reader().look(Served(log=other, size=size), seen_of(old))
    assert (caught.value.seen_size, caught.value.shown_size) == (old, size)
    assert (caught.value.seen.encode(), caught.value.shown.encode()) == (LOG.checkpoint(old), other.checkpoint(size))


def test_the_same_size_with_another_root_is_a_contradiction() -> None:
    with pytest.raises(LogInconsistent):
        Reader().look(Served(log=fork(299)), seen_of(SIZE))


def test_an_empty_log_after_a_full_one_is_only_smaller() -> None:
    assert Reader().look(Served(log=LOG, size=0), seen_of(SIZE)) == Smaller(shown_size=0, seen_size=SIZE)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 299])
def test_a_smaller_checkpoint_of_the_same_log_is_stale(size: int) -> None:
    assert Reader().look(Served(log=LOG, size=size), seen_of(SIZE)) == Smaller(shown_size=size, seen_size=SIZE)


@pytest.mark.parametrize("at", [0, 1, 100, 255])
def test_a_smaller_checkpoint_of_another_history_is_a_contradiction(at: int) -> None:
    with pytest.raises(LogInconsistent):
        Reader().look(Served(log=fork(at), size=280), seen_of(SIZE))


def test_a_smaller_checkpoint_is_proved_by_what_was_seen_where_more_is_served() -> None:
    """The note is old, the tiles are not: of the last leaves too, another history is seen."""
    other = fork(290)
    with pytest.raises(LogInconsistent):
        Reader().look(Served(log=LOG, note=other.checkpoint(295)), seen_of(SIZE))
    assert isinstance(Reader().look(Served(log=LOG, note=LOG.checkpoint(295)), seen_of(SIZE)), Smaller)


def entry(index: int) -> MadeLog:
    """The log with one leaf changed, as somebody with the database changes it."""
    leaves = list(LOG.leaves)
    leaves[index] = leaf(index=index, artifact="harmless")
    return MadeLog(leaves=leaves)


@pytest.mark.parametrize("index", [0, 1, 255, 256, 299])
def test_a_leaf_that_is_not_the_one_of_the_tree_is_named(index: int) -> None:
    reader = Reader()
    with pytest.raises(LogEntryWrong) as caught:
        reader.look(Served(log=LOG, entries_of=entry(index)))
    assert caught.value.index == index
    assert reader.told == []
    assert [each.frontier.size for each in reader.kept] == [0]


def test_leaves_and_tiles_that_agree_and_are_not_those_of_the_checkpoint_are_refused() -> None:
    with pytest.raises(LogEntryWrong):
        Reader().look(Served(log=LOG, entries_of=entry(7), hashes_of=entry(7)))


UNUSABLE: dict[str, Callable[[bytes], bytes]] = {
    "parts that are empty": lambda _: b"",
    "parts that are cut": lambda part: part[:-1],
    "parts that are too long": lambda part: part + b"\0\1x",
    "zeros": lambda part: bytes(len(part)),
    "lengths without end": lambda part: b"\xff" * len(part),
}


@pytest.mark.parametrize("change", UNUSABLE.values(), ids=UNUSABLE)
def test_nothing_is_read_of(change: Callable[[bytes], bytes]) -> None:
    reader = Reader()
    with pytest.raises((PartUnusable, LogEntryWrong, LogInconsistent)):
        reader.look(Served(log=LOG, change=change), seen_of(7))
    assert reader.told == []
    assert all(each.frontier.size == 7 for each in reader.kept)


@pytest.mark.parametrize("leaves", [LOG.leaves[:-1], [*LOG.leaves[:7], *LOG.leaves[8:]], LOG.leaves[:3]])
def test_a_bundle_of_another_number_of_entries_is_told_as_such(leaves: list[bytes]) -> None:
    """It says nothing of the log: a proxy may have cut it."""
    with pytest.raises(PartUnusable) as caught:
        Reader().look(Served(log=LOG, entries_of=MadeLog(leaves=leaves)))
    assert "more or fewer entries" in caught.value.problem


OTHER = NoteKey.ed25519(9)
NOTES = {
    "a note of another key": MadeLog(leaves=LOG.leaves, keys=(OTHER,)).checkpoint(),
    "a note of another log": MadeLog(leaves=LOG.leaves, keys=(NoteKey.ed25519(1, "x"),), origin="x").checkpoint(),
    "another log under the same key": MadeLog(leaves=LOG.leaves, origin="x").checkpoint(),
    "a note without a signature": str(LOG.head()).encode(),
    "thousands of lines": LOG.checkpoint(SIZE, *[OTHER.line("x")] * 5000),
    "line ends of Windows": LOG.checkpoint().replace(b"\n", b"\r\n"),
    "a size with a leading zero": LOG.checkpoint().replace(b"\n300\n", b"\n0300\n"),
    "another size": LOG.checkpoint().replace(b"\n300\n", b"\n299\n"),
    "nothing": b"",
    "HTML": b"<html>" * 1000,
    "bytes": b"\xff" * 1000,
}


@pytest.mark.parametrize("note", NOTES.values(), ids=NOTES)
def test_no_checkpoint_is(note: bytes) -> None:
    reader = Reader()
    with pytest.raises(SignerError) as caught:
        reader.look(Served(log=LOG, note=note), seen_of(7))
    assert caught.value.code == "checkpoint-refused"
    assert reader.kept == []


def test_what_was_seen_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert read_seen(path, ORIGIN) == NOTHING
    for size in (0, 1, 257):
        write_seen(path, seen_of(size))
        assert read_seen(path, ORIGIN) == seen_of(size)


def test_a_contradiction_is_remembered_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "state"
    error = LogInconsistent(seen_size=1, shown_size=2, seen="one", shown="two")
    write_seen(path, seen_of(7), error)
    with pytest.raises(LogInconsistent) as caught:
        read_seen(path, ORIGIN)
    assert caught.value.facts == error.facts


STATES: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[:-3],
    "empty": lambda _: "",
    "a list": lambda _: "[]",
    "brackets": lambda _: "[" * 100_000,
    "of another log": lambda text: text.replace(ORIGIN, "x"),
    "of another form": lambda text: text.replace('"version": 1', '"version": 2'),
    "with a hash less": lambda text: text.replace('"size": 7', '"size": 3'),
    "read further than the checkpoint": lambda text: text.replace("\\n7\\n", "\\n6\\n"),
    "without a note": lambda text: text.replace('"note": "', '"note": null, "x": "'),
    "with text for a size": lambda text: text.replace('"size": 7', '"size": "7"'),
    "with a hash that is none": lambda text: text.replace('"frontier": [\n    "', '"frontier": [\n    "zz'),
    "with a contradiction that is none": lambda text: text.replace('"version": 1', '"version": 1, "contradiction": 1'),
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
def test_no_state_is_one(change: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_seen(path, seen_of(7))
    before = path.read_text(encoding="utf-8")
    path.write_text(change(before), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != before
    with pytest.raises(SignerError) as caught:
        read_seen(path, ORIGIN)
    assert caught.value.code == "monitor-state-invalid"


def test_a_state_that_was_read_less_far_than_its_checkpoint_goes_on() -> None:
    behind = replace(seen_of(7), note=LOG.checkpoint(20))
    assert behind.checkpoint == Checkpoint(origin=ORIGIN, size=20, root=LOG.head(20).root)
    found = Reader().look(Served(log=LOG), behind)
    assert isinstance(found, Seen)
    assert found.frontier == LOG.frontier(SIZE)
