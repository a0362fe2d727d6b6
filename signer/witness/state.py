"""What a witness remembers: for each log the checkpoint that it signed last, in one file.

1. To check and to store is one step under one lock, and the file is durable before the signature leaves: two requests
   cannot lead the witness back, and neither can a crash at any moment.
2. A file that cannot be stored ends the witness: after a failed fsync nobody knows what the disk holds.
3. What the file says is believed only where the witness's own key signed it. A key without its state is refused.
4. One process holds a state at a time, by a lock on a file beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from signer.errors import WitnessKeyInvalid, WitnessStateInUse, WitnessStateInvalid, WitnessStateMissing
from signer.new_file import NewFile
from signer.witness.decisions import AddCheckpoint, LogKeys, judged, signed_note
from signer.witness.keys import WitnessKey, make_key, read_key
from verifier.errors import LogError
from verifier.log import Checkpoint, NoteSignature, SignedNote
from verifier.log.notes import MAX_NOTE_BYTES, cosignature_time

FORM_VERSION = 1
MAX_STATE_BYTES = 64 * MAX_NOTE_BYTES


class Witness:
    """A key, the logs that it watches, and what it signed last of each. To be closed."""

    def __init__(
        self, *, key: WitnessKey, path: Path, log_keys: LogKeys, notes: dict[str, bytes], clock: Callable[[], float]
    ) -> None:
        self.key = key
        self._path = path
        self._log_keys = log_keys
        self._clock = clock
        self._notes = notes
        self._lock = threading.Lock()

    def latest(self, origin: str) -> bytes | None:
        """The checkpoint that was signed last, with the lines of the log's keys and of the witness."""
        return self._notes.get(origin) if origin in self._log_keys else None

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs that it watches."""
        return tuple(self._log_keys)

    def add(self, request: AddCheckpoint) -> NoteSignature:
        """The witness's line for the checkpoint, once that is stored; raises what refuses it, or ``OSError``."""
        with self._lock:
            origin = request.checkpoint.origin
            held = self._notes.get(origin)
            held_note = SignedNote.parse(held) if held is not None else None
            lines = judged(
                request, log_keys=self._log_keys, held=Checkpoint.parse(held_note.text) if held_note else None
            )
            # A clock that was set back must not make a larger log older than a smaller one.
            latest = self._time_of(held_note) if held_note else 0
            line = self.key.cosignature(request.note.text, max(int(self._clock()), latest))
            note = signed_note(request.note.text, [*(own for _, own in lines), line])
            _store(self._path, self.key, {**self._notes, origin: note})
            self._notes[origin] = note
            return line

    def _time_of(self, note: SignedNote) -> int:
        ((_, line),) = note.verified_by([self.key.verifier])
        return cosignature_time(line.payload)


class StateLock:
    """Held as long as a process works with a state. A file beside it, since the state itself is replaced."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise WitnessStateInUse(path=str(path)) from None

    def close(self) -> None:
        """Let another process have the state."""
        os.close(self._descriptor)


def opened(
    *, state: Path, key: Path, name: str | None, log_keys: LogKeys, clock: Callable[[], float]
) -> tuple[Witness, StateLock]:
    """The witness of these files, which are made where there are neither. Raises a ``SignerError``, or ``OSError``.

    ``name``: of a key that is made; of one that is there, it has to be its name.
    """
    lock = StateLock(state)
    try:
        return _opened(state, key, name, log_keys, clock), lock
    except BaseException:
        lock.close()
        raise


def _opened(state: Path, key: Path, name: str | None, log_keys: LogKeys, clock: Callable[[], float]) -> Witness:
    try:
        found = read_key(key)
    except FileNotFoundError:
        _begin(state)
        made = make_key(key, name=name)
        _store(state, made, {})
        return Witness(key=made, path=state, log_keys=log_keys, notes={}, clock=clock)
    if name not in (None, found.verifier.name):
        raise WitnessKeyInvalid(path=str(key), problem=f"its name is {found.verifier.name}")
    try:
        with state.open("rb") as file:
            content = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        raise WitnessStateMissing(path=str(state), key=str(key)) from None
    notes = {} if content == _nothing() else _believed(state, content, found)
    return Witness(key=found, path=state, log_keys=log_keys, notes=notes, clock=clock)


def _begin(state: Path) -> None:
    # Stored before the key is made: a crash in between leaves a state that holds nothing, and no key without a state.
    if state.exists() and state.read_bytes() != _nothing():
        raise WitnessStateInvalid(path=str(state), problem="the key that signed what it holds is not there")
    _write(state, _nothing())


def _nothing() -> bytes:
    return json.dumps({"version": FORM_VERSION, "logs": {}}).encode("ascii")


def _store(path: Path, key: WitnessKey, notes: dict[str, bytes]) -> None:
    logs = {origin: note.decode("utf-8") for origin, note in notes.items()}
    document = {"version": FORM_VERSION, "key": str(key.verifier), "logs": logs}
    _write(path, json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8"))


def _write(path: Path, content: bytes) -> None:
    with NewFile(path) as file:
        file.write(content)


def _believed(path: Path, content: bytes, key: WitnessKey) -> dict[str, bytes]:
    try:
        document = json.loads(content.decode("utf-8"))
        if document["version"] != FORM_VERSION or document["key"] != str(key.verifier):
            raise WitnessStateInvalid(path=str(path), problem="it is of another form, or of another key")
        return {origin: _own(origin, text, key) for origin, text in document["logs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WitnessStateInvalid(path=str(path), problem="it is not the document of a state") from None
    except LogError as error:
        raise WitnessStateInvalid(
            path=str(path), problem=f"a checkpoint is not what was signed: {error.code}"
        ) from None


def _own(origin: str, text: str, key: WitnessKey) -> bytes:
    note = SignedNote.parse(text.encode("utf-8"))
    note.verified_by([key.verifier])
    if Checkpoint.parse(note.text).origin != origin:
        raise ValueError("a checkpoint of another log")
    return text.encode("utf-8")
