"""What a witness keeps: when its files are believed, and when it refuses to begin."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from signer.errors import SignerError, WitnessSizeConflict, WitnessStateInUse
from signer.witness.decisions import AddCheckpoint
from signer.witness.keys import WitnessKey, make_key, read_key
from signer.witness.state import StateLock, Witness, opened
from tests.support.made_logs import MadeLog, NoteKey, request
from verifier.log import KeyType, SignedNote
from verifier.log.notes import cosignature_time, key_id

KEY = NoteKey.ed25519(1)
LOG = MadeLog.of(9, keys=(KEY,))
NOW = 1_800_000_000


def begin(folder: Path, *, name: str | None = None, clock: Callable[[], float] = lambda: NOW) -> Witness:
    witness, lock = opened(
        state=folder / "state", key=folder / "key", name=name, log_keys={LOG.origin: (KEY.verifier,)}, clock=clock
    )
    lock.close()
    return witness


def add(witness: Witness, old: int, size: int) -> None:
    witness.add(AddCheckpoint.parse(request(old, LOG.proof(old, size), LOG.checkpoint(size))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files of a witness that signed four leaves."""
    add(begin(tmp_path, name="w.example"), 0, 4)
    return tmp_path


def test_a_key_is_made_once(folder: Path) -> None:
    before = (folder / "key").read_bytes()
    assert begin(folder).key.verifier.type is KeyType.COSIGNATURE
    with pytest.raises(FileExistsError):
        make_key(folder / "key", name="other.example")
    assert (folder / "key").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["key", "state", "state.lock"]


def test_a_name_is_chosen_where_none_is_given(tmp_path: Path) -> None:
    assert re.fullmatch(r"artifact-signer-witness/[0-9a-f]{16}", begin(tmp_path).key.verifier.name)


def test_the_key_of_a_file_is_that_of_the_note_package_of_go() -> None:
    # Seed 20…3f, name and verifier key as published with the formats.
    text = "PRIVATE+KEY+witness.example/w1+{}+ASAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/\n"
    with pytest.raises(ValueError, match="identifier"):
        WitnessKey.parse(text.format("00000000"))
    public = WitnessKey._of("witness.example/w1", bytes(range(0x20, 0x40))).verifier.public_bytes
    key = WitnessKey.parse(text.format(key_id("witness.example/w1", KeyType.ED25519, public).hex()))
    assert str(key.verifier) == "witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
    assert "ASAh" not in repr(key)


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def another_state(folder: Path) -> None:
    (folder / "other").mkdir()
    add(begin(folder / "other", name="w.example"), 0, 4)
    (folder / "other" / "state").replace(folder / "state")


def another_key(folder: Path) -> None:
    document = json.loads((folder / "state").read_text(encoding="utf-8"))
    (folder / "key").unlink()
    (folder / "state").unlink()
    begin(folder, name="w.example")
    document["key"] = str(read_key(folder / "key").verifier)
    (folder / "state").write_text(json.dumps(document), encoding="utf-8")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a key without a state": (lambda f: (f / "state").unlink(), "witness-state-missing"),
    "a state without its key": (lambda f: (f / "key").unlink(), "witness-state-invalid"),
    "the state of another key": (another_state, "witness-state-invalid"),
    "a state that says it is of this key": (another_key, "witness-state-invalid"),
    "a state with another size": (lambda f: changed(f / "state", "\\n4\\n", "\\n2\\n"), "witness-state-invalid"),
    "a state under another origin": (
        lambda f: changed(f / "state", '"signer.example/log"', '"other"'), "witness-state-invalid"),
    "a state of another form": (
        lambda f: changed(f / "state", '"version": 1', '"version": 2'), "witness-state-invalid"),
    "a state that is cut": (
        lambda f: (f / "state").write_bytes((f / "state").read_bytes()[:-9]), "witness-state-invalid"),
    "an empty state": (lambda f: (f / "state").write_bytes(b""), "witness-state-invalid"),
    "a state that is a list": (lambda f: (f / "state").write_bytes(b"[]"), "witness-state-invalid"),
    "a state of brackets": (lambda f: (f / "state").write_bytes(b"[" * 100_000), "witness-state-invalid"),
    "a state that is not text": (lambda f: (f / "state").write_bytes(b"\xff"), "witness-state-invalid"),
    "a state without its logs": (
        lambda f: (f / "state").write_text(json.dumps({"version": 1, "key": str(begin(f).key.verifier)})),
        "witness-state-invalid"),
    "a key that others may read": (lambda f: (f / "key").chmod(0o644), "witness-key-invalid"),
    "a key of another name": (lambda f: changed(f / "key", "w.example", "v.example"), "witness-key-invalid"),
    "an empty key": (lambda f: (f / "key").write_bytes(b""), "witness-key-invalid"),
    "a key that is cut": (lambda f: (f / "key").write_bytes((f / "key").read_bytes()[:-4]), "witness-key-invalid"),
    "a key that is not text": (lambda f: (f / "key").write_bytes(b"\xff" * 80), "witness-key-invalid"),
    "a huge key": (lambda f: (f / "key").write_bytes(b"PRIVATE+KEY+" * 9999), "witness-key-invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "code"), REFUSED.values(), ids=REFUSED)
def test_it_does_not_begin_with(damage: Callable[[Path], object], code: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(SignerError) as caught:
        begin(folder)
    assert caught.value.code == code
    assert "ASAh" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 300])
def test_a_key_has_no_such_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(SignerError) as caught:
        begin(tmp_path, name=name)
    assert caught.value.code == "witness-key-invalid"
    assert not (tmp_path / "key").exists()


def test_another_name_than_that_of_the_key_is_refused(folder: Path) -> None:
    with pytest.raises(SignerError) as caught:
        begin(folder, name="v.example")
    assert caught.value.code == "witness-key-invalid"


CRASHES: dict[str, Callable[[Path], object]] = {
    "before the key was made": lambda f: (f / "state").write_bytes(b'{"version": 1, "logs": {}}'),
    "after the key was made": lambda f: (
        (f / "state").write_bytes(b'{"version": 1, "logs": {}}'), make_key(f / "key", name="w.example")),
    "while a draft was written": lambda f: (f / ".state.x").write_bytes(b"x"),
}  # fmt: skip


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_a_first_start_that_was_interrupted_is_ended_by_the_next(
    crash: Callable[[Path], object], tmp_path: Path
) -> None:
    crash(tmp_path)
    add(begin(tmp_path), 0, 4)
    assert begin(tmp_path).latest(LOG.origin) is not None


def test_a_log_that_is_watched_no_more_is_kept_and_not_told(folder: Path) -> None:
    other = MadeLog(leaves=[b"x"], keys=(NoteKey.ed25519(5, "other.example"),), origin="other.example")
    keys = {"other.example": (other.keys[0].verifier,)}
    witness, lock = opened(state=folder / "state", key=folder / "key", name=None, log_keys=keys, clock=lambda: NOW)
    lock.close()
    witness.add(AddCheckpoint.parse(request(0, (), other.checkpoint())))
    assert witness.latest(LOG.origin) is None
    assert begin(folder).latest(LOG.origin) is not None


def test_the_time_of_a_signature_never_goes_back(folder: Path) -> None:
    witness = begin(folder, clock=lambda: NOW - 1000)
    add(witness, 4, 6)
    note = SignedNote.parse(witness.latest(LOG.origin) or b"")
    ((_, line),) = note.verified_by([witness.key.verifier])
    assert cosignature_time(line.payload) == NOW


def test_one_at_a_time_holds_a_state(folder: Path) -> None:
    lock = StateLock(folder / "state")
    with pytest.raises(WitnessStateInUse):
        begin(folder)
    lock.close()
    assert begin(folder)


def test_two_threads_do_not_sign_past_each_other(folder: Path) -> None:
    """The clock is looked at between the check and the store: there one waits for the other, if it could."""
    both = threading.Barrier(2)

    def clock() -> float:
        with suppress(threading.BrokenBarrierError):
            both.wait(1)
        return NOW

    witness = begin(folder, clock=clock)
    outcomes: list[str] = []

    def press(size: int) -> None:
        try:
            add(witness, 4, size)
            outcomes.append("signed")
        except WitnessSizeConflict:
            outcomes.append("refused")

    threads = [threading.Thread(target=press, args=(size,)) for size in (6, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["refused", "signed"]
