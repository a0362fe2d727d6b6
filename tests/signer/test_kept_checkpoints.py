"""What a client keeps of a log: only what continues it replaces it, whoever asks at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from signer.answers import ClientError, ServiceRefusal
from signer.kept_checkpoints import KeptCheckpoints, kept_below, patient
from tests.support.made_logs import MadeLog, NoteKey
from verifier.log import Checkpoint, SignedNote

LOG = MadeLog.of(40)
FORK = MadeLog(leaves=[*LOG.leaves[:10], *(b"other" for _ in range(30))])
OTHER = MadeLog(leaves=LOG.leaves, keys=(NoteKey.ed25519(3, "other.example"),), origin="other.example")


@pytest.fixture
def kept(tmp_path: Path) -> KeptCheckpoints:
    return KeptCheckpoints(tmp_path / "state" / "checkpoints")


def sizes(tmp_path: Path) -> list[int]:
    files = sorted((tmp_path / "state" / "checkpoints").glob("*.checkpoint"))
    return [Checkpoint.parse(SignedNote.parse(file.read_bytes()).text).size for file in files]


def proofs(log: MadeLog) -> Callable[[int, int], Sequence[bytes]]:
    return log.proof


def test_the_largest_is_kept_whatever_comes_in_which_order(kept: KeptCheckpoints, tmp_path: Path) -> None:
    for size, largest in ((3, 3), (3, 3), (9, 9), (4, 9), (40, 40), (0, 40), (39, 40)):
        kept.require(LOG.checkpoint(size), proofs(LOG))
        assert sizes(tmp_path) == [largest]
    assert (tmp_path / "state" / "checkpoints").stat().st_mode & 0o077 == 0


def test_each_log_has_its_own(kept: KeptCheckpoints, tmp_path: Path) -> None:
    kept.require(LOG.checkpoint(3), proofs(LOG))
    kept.require(OTHER.checkpoint(5), proofs(OTHER))
    assert sorted(sizes(tmp_path)) == [3, 5]


CONTRADICTIONS: dict[str, tuple[int, bytes, Callable[[int, int], Sequence[bytes]]]] = {
    "the same size with another root": (20, FORK.checkpoint(20), proofs(FORK)),
    "a larger one, with its own proof": (20, FORK.checkpoint(30), proofs(FORK)),
    "a larger one, with the proof of what was seen": (20, FORK.checkpoint(30), proofs(LOG)),
    "a larger one, without a proof": (20, LOG.checkpoint(30), lambda *_: ()),
    "a larger one, with a proof of too many hashes": (20, LOG.checkpoint(30), lambda *_: [b"x" * 32] * 64),
    "a smaller one, with its own proof": (30, FORK.checkpoint(20), proofs(FORK)),
    "a smaller one, with the proof of what was seen": (30, FORK.checkpoint(20), proofs(LOG)),
}


@pytest.mark.parametrize(("before", "note", "proof"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_another_history_is_refused_and_what_was_seen_is_kept(
    before: int, note: bytes, proof: Callable[[int, int], Sequence[bytes]], kept: KeptCheckpoints, tmp_path: Path
) -> None:
    kept.require(LOG.checkpoint(before), proofs(LOG))
    with pytest.raises(ClientError, match="is not the one seen before"):
        kept.require(note, proof)
    assert sizes(tmp_path) == [before]


@pytest.mark.parametrize("content", [b"", b"garbage", OTHER.checkpoint(3), b"\xff" * 1000])
def test_what_is_kept_has_to_be_a_checkpoint_of_the_log(content: bytes, kept: KeptCheckpoints, tmp_path: Path) -> None:
    kept.require(LOG.checkpoint(3), proofs(LOG))
    (file,) = (tmp_path / "state" / "checkpoints").glob("*.checkpoint")
    file.write_bytes(content)
    with pytest.raises(ClientError, match="is not the checkpoint that was kept there"):
        kept.require(LOG.checkpoint(5), proofs(LOG))
    assert file.read_bytes() == content


def test_who_is_overtaken_compares_with_what_came_between(kept: KeptCheckpoints, tmp_path: Path) -> None:
    kept.require(LOG.checkpoint(3), proofs(LOG))
    asked: list[tuple[int, int]] = []

    def proof(old: int, size: int) -> Sequence[bytes]:
        if not asked:
            kept.require(LOG.checkpoint(20), proofs(LOG))
        asked.append((old, size))
        return LOG.proof(old, size)

    kept.require(LOG.checkpoint(30), proof)
    assert (asked, sizes(tmp_path)) == ([(3, 30), (20, 30)], [30])


def test_many_at_once_keep_the_largest(kept: KeptCheckpoints, tmp_path: Path) -> None:
    threads = [threading.Thread(target=kept.require, args=(LOG.checkpoint(size), proofs(LOG))) for size in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sizes(tmp_path) == [24]


def refused(code: str) -> ServiceRefusal:
    return ServiceRefusal(sentence="no", code=code, status=404, document={})


def test_a_service_that_does_not_know_yet_is_asked_again() -> None:
    answers: list[ServiceRefusal | Sequence[bytes]] = [
        refused("log-beyond-checkpoint"),
        refused("log-beyond-checkpoint"),
        (),
    ]
    waited: list[float] = []

    def consistency(*_: int) -> Sequence[bytes]:
        answer = answers.pop(0)
        if isinstance(answer, ServiceRefusal):
            raise answer
        return answer

    assert patient(consistency, wait=waited.append)(1, 2) == ()
    assert len(waited) == 2


@pytest.mark.parametrize(("code", "seconds"), [("log-beyond-checkpoint", 11.0), ("access-denied", 0.0)])
def test_it_is_not_asked_for_ever(code: str, seconds: float) -> None:
    times = iter([0.0, seconds, seconds])
    waited: list[float] = []

    def consistency(*_: int) -> Sequence[bytes]:
        raise refused(code)

    with pytest.raises(ServiceRefusal):
        patient(consistency, wait=waited.append, now=lambda: next(times))(1, 2)
    assert waited == []


PLACES = {
    "the variable": ({"XDG_STATE_HOME": "/state"}, "/state/artifact-signer/checkpoints"),
    "no variable": ({}, "HOME/.local/state/artifact-signer/checkpoints"),
    "an empty variable": ({"XDG_STATE_HOME": ""}, "HOME/.local/state/artifact-signer/checkpoints"),
    "a relative path": ({"XDG_STATE_HOME": "state"}, "HOME/.local/state/artifact-signer/checkpoints"),
}


@pytest.mark.parametrize(("environment", "place"), PLACES.values(), ids=PLACES)
def test_the_place_follows(environment: dict[str, str], place: str) -> None:
    assert kept_below(environment) == Path(place.replace("HOME", str(Path.home())))
