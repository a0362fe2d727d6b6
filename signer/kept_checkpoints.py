"""What a client saw last of each log, so that no service can show it one history today and another tomorrow.

1. For each origin the largest signed checkpoint is kept, in a file of the user's own. It is replaced by what is proved
   to continue it, and by nothing else.
2. A smaller one is no contradiction: not every worker knows the newest at once. It has to be the beginning of what is
   kept.
3. Where nothing can be kept, that is said, and nothing else depends on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from signer.answers import ClientError, ServiceRefusal
from signer.errors import LogBeyondCheckpoint
from signer.new_file import NewFile
from verifier.errors import ConsistencyRefused, LogError
from verifier.log import Checkpoint, SignedNote, verify_consistency
from verifier.log.notes import MAX_NOTE_BYTES

STATE_VARIABLE = "XDG_STATE_HOME"
DIRECTORY = Path("artifact-signer") / "checkpoints"
DIRECTORY_MODE = 0o700
STALE_SECONDS = 10.0
STALE_LOOK_SECONDS = 0.5

Consistency = Callable[[int, int], Sequence[bytes]]
"""``(old size, size)``: the path that shall prove that the log of the one begins with that of the other."""


def kept_below(environment: Mapping[str, str]) -> Path:
    """Where checkpoints are kept (XDG Base Directory Specification); raises ``RuntimeError`` where there is no home."""
    base = environment.get(STATE_VARIABLE, "")
    # A relative path is to be ignored, says the specification.
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / DIRECTORY


def patient(
    consistency: Consistency, *, wait: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.monotonic
) -> Consistency:
    """Asks again for a while where the service does not know yet what another part of it has told."""

    def asked(old_size: int, size: int) -> Sequence[bytes]:
        latest = now() + STALE_SECONDS
        while True:
            try:
                return consistency(old_size, size)
            except ServiceRefusal as refusal:
                if refusal.code != LogBeyondCheckpoint.code or now() > latest:
                    raise
            wait(STALE_LOOK_SECONDS)

    return asked


class KeptCheckpoints:
    """The checkpoints in one directory, which is made where it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def require(self, note: bytes, consistency: Consistency) -> None:
        """Keep this checkpoint, which the log's key signed; raises ``ClientError`` where it continues another history.

        Raises ``OSError`` where nothing can be kept.
        """
        shown = _read(note)
        path = self._directory / f"{hashlib.sha256(shown.origin.encode('utf-8')).hexdigest()}.checkpoint"
        self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        while True:
            kept_note = _content(path)
            if kept_note is not None:
                _compare(shown, _kept(kept_note, shown.origin, path), consistency, path)
            with _locked(path):
                # Somebody else may have kept another one meanwhile, which has to be compared as well.
                if _content(path) == kept_note:
                    if kept_note is None or _read(kept_note).size < shown.size:
                        with NewFile(path) as file:
                            file.write(note)
                    return


def _compare(shown: Checkpoint, kept: Checkpoint, consistency: Consistency, path: Path) -> None:
    older, newer = sorted((shown, kept), key=lambda each: each.size)
    proof = consistency(older.size, newer.size) if 0 < older.size < newer.size else ()
    try:
        verify_consistency(old_size=older.size, old_root=older.root, size=newer.size, root=newer.root, path=proof)
    except ConsistencyRefused:
        raise ClientError(
            sentence=f"the log {shown.origin} of {shown.size} leaves is not the one seen before, of {kept.size}",
            hint=f"keep {path}, and show it to whoever runs the log: it was signed by the log's key",
        ) from None


def _kept(note: bytes, origin: str, path: Path) -> Checkpoint:
    try:
        kept = _read(note)
    except LogError:
        kept = None
    if kept is None or kept.origin != origin:
        raise ClientError(
            sentence=f"{path} is not the checkpoint that was kept there",
            hint="take it away to begin anew with what the log shows now",
        )
    return kept


def _read(note: bytes) -> Checkpoint:
    return Checkpoint.parse(SignedNote.parse(note).text)


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_NOTE_BYTES + 1)
    except FileNotFoundError:
        return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_suffix(".lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
