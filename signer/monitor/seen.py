"""What a monitor remembers of a log: the newest checkpoint, how far its leaves were read, and a contradiction if any.

One JSON document in one file, replaced whole. It is believed as the file of whoever runs the monitor.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from signer.errors import LogInconsistent, MonitorStateInvalid
from signer.monitor.findings import Position
from signer.new_file import NewFile
from verifier.errors import LogError
from verifier.log import Checkpoint, Frontier, SignedNote

FORM_VERSION = 1
MAX_STATE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a log.

    Attributes:
        note: the newest signed checkpoint, ``checkpoint`` its text; None before the first.
        frontier: of the leaves that were read and proved; not beyond the checkpoint.
    """

    origin: str
    note: bytes | None = None
    frontier: Frontier = field(default_factory=Frontier)
    position: Position = field(default_factory=Position)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What the note says."""
        return None if self.note is None else Checkpoint.parse(SignedNote.parse(self.note).text)

    def read_to(self, frontier: Frontier, position: Position) -> Seen:
        """With more leaves read."""
        return replace(self, frontier=frontier, position=position)


def read_seen(path: Path, origin: str) -> Seen:
    """What the file says, or nothing where there is none.

    Raises ``MonitorStateInvalid``, and ``LogInconsistent`` where a contradiction was found before.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_STATE_BYTES + 1)
    except FileNotFoundError:
        return Seen(origin=origin)
    try:
        document = json.loads(content.decode("utf-8"))
        if document["version"] != FORM_VERSION or document["origin"] != origin:
            raise MonitorStateInvalid(path=str(path), problem="it is of another form, or of another log")
        if "contradiction" in document:
            raise LogInconsistent(**{name: document["contradiction"][name] for name in _FACTS})
        return _seen(document, origin)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LogError):
        raise MonitorStateInvalid(path=str(path), problem="it is not the document of a state") from None


def write_seen(path: Path, seen: Seen, contradiction: LogInconsistent | None = None) -> None:
    """Have the file say this, durably; with a contradiction, it says that for ever."""
    document = {
        "version": FORM_VERSION,
        "origin": seen.origin,
        "note": None if seen.note is None else seen.note.decode("utf-8"),
        "size": seen.frontier.size,
        "frontier": [each.hex() for each in seen.frontier.hashes],
        "newest": seen.position.newest,
        "beginning": seen.position.beginning,
    }
    if contradiction is not None:
        document["contradiction"] = contradiction.facts
    with NewFile(path) as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8"))


@contextmanager
def state_lock(path: Path) -> Iterator[None]:
    """Held while a process works with the state, by a file beside it, since the state itself is replaced."""
    with path.with_name(path.name + ".lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MonitorStateInvalid(path=str(path), problem="another monitor works with it") from None
        yield


_FACTS = ("seen_size", "shown_size", "seen", "shown")


def _seen(document: dict[str, object], origin: str) -> Seen:
    note, size, hashes = document["note"], document["size"], document["frontier"]
    newest, beginning = document["newest"], document["beginning"]
    if not (isinstance(size, int) and isinstance(hashes, list) and isinstance(newest, str)):
        raise TypeError
    if not (isinstance(beginning, bool) and isinstance(note, str | None)):
        raise TypeError
    seen = Seen(
        origin=origin,
        note=None if note is None else note.encode("utf-8"),
        frontier=Frontier(size, tuple(bytes.fromhex(each) for each in hashes)),
        position=Position(newest=newest, beginning=beginning),
    )
    checkpoint = seen.checkpoint
    if (checkpoint.origin if checkpoint else origin) != origin or size > (checkpoint.size if checkpoint else 0):
        raise ValueError
    return seen
