"""What became of asking witnesses, in a file beside the checkpoint's: written by the recorder, read by all others.

It is no record and is believed for nothing: signatures in it are verified by whoever relies on them, and without it the
log's own checkpoint is served.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from signer.errors import LogRolledBack, SignerError
from signer.new_file import NewFile
from verifier.log.notes import MAX_NOTE_BYTES

MAX_REPORT_BYTES = 2 * MAX_NOTE_BYTES
_END_OF_TEXT = b"\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReport:
    """What is told of the log ``origin``.

    Attributes:
        note: the checkpoint that was signed last, with all signatures.
        alarms: a code and facts by the name of the witness.
    """

    origin: str
    note: bytes | None = None
    alarms: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)


class WitnessFile:
    """The file at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, origin: str, note: bytes | None, alarms: Mapping[str, SignerError]) -> None:
        """Replace what it says; raises ``OSError``."""
        document = {
            "origin": origin,
            "note": None if note is None else note.decode("utf-8"),
            "alarms": {name: {"code": error.code, "facts": error.facts} for name, error in alarms.items()},
        }
        with NewFile(self._path) as file:
            file.write(json.dumps(document, ensure_ascii=False).encode("utf-8"))

    def read(self) -> WitnessReport | None:
        """What it says; None where it is not there, or says nothing that can be understood."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_REPORT_BYTES + 1)
            document = json.loads(content.decode("utf-8"))
            note = document["note"]
            alarms = {str(name): (str(each["code"]), dict(each["facts"])) for name, each in document["alarms"].items()}
            return WitnessReport(
                origin=str(document["origin"]), note=None if note is None else note.encode("utf-8"), alarms=alarms
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def rolled_back(self, origin: str, size: int) -> LogRolledBack | None:
        """What it says of a log of this size and origin that a witness knows more of: told before, and true still."""
        report = self.read()
        if report is None or report.origin != origin:
            return None
        for code, facts in report.alarms.values():
            verified = facts.get("verified")
            if code == LogRolledBack.code and isinstance(verified, int) and verified > size:
                return LogRolledBack(verified=verified, found=size)
        return None

    def mark(self) -> tuple[int, int, int] | None:
        """Another one each time that it was replaced; None where it is not there."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size


class Notes(Protocol):
    """Where the newest checkpoint is."""

    def latest(self) -> bytes:
        """The newest signed note."""


class CosignedNotes:
    """The newest checkpoint, with the signatures of witnesses where they signed this one. Safe for threads."""

    def __init__(self, *, notes: Notes, file: WitnessFile) -> None:
        self._notes = notes
        self._file = file
        self._lock = threading.Lock()
        self._mark: tuple[int, int, int] | None = None
        self._cosigned: bytes | None = None

    def latest(self) -> bytes:
        """The newest signed note; raises what the source raises."""
        note, cosigned = self._notes.latest(), self.cosigned()
        text = note[: note.rfind(_END_OF_TEXT) + len(_END_OF_TEXT)]
        return cosigned if cosigned is not None and cosigned.startswith(text) else note

    def cosigned(self) -> bytes | None:
        """The note that witnesses signed last, whatever has become of the log since."""
        with self._lock:
            mark = self._file.mark()
            if mark != self._mark:
                report = self._file.read()
                self._mark, self._cosigned = mark, None if report is None else report.note
            return self._cosigned
