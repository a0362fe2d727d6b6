"""Lists of recalled manifests: what must not be installed any more, although its signature holds.

A list is a signed note (C2SP signed-note) by a key of the log that the recalls are in. Its text has one line each for

1. ``recalled/v1``, which no checkpoint begins with that readers of this log accept;
2. the log's origin;
3. the version: the index of the newest recall's leaf, plus one; 0 where nothing was recalled. It only grows;
4. every recalled manifest's SHA-256 in lowercase hex, in ascending order. They only grow more.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from verifier._record import Record
from verifier.errors import OriginMismatch, RecalledListMalformed
from verifier.log.notes import SignedNote, VerifierKey

FORM = "recalled/v1"
MAX_LIST_BYTES = 1 << 20
# With as many signatures as a note may have they fit into the bytes.
MOST_RECALLED = 15_000
MAX_VERSION = (1 << 63) - 1
_LINES = 3
_DIGEST = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("0|[1-9][0-9]{0,18}")


class RecalledList(Record):
    """A list as its text says it. ``open_recalled`` is what proves that the log made it."""

    origin: str
    version: int
    manifests: tuple[str, ...]
    """SHA-256, lowercase hex, ascending."""

    def __str__(self) -> str:
        """The text that is signed."""
        return "\n".join([FORM, self.origin, str(self.version), *self.manifests, ""])

    @classmethod
    def parse(cls, text: str) -> RecalledList:
        """Read the text of a list; raises ``RecalledListMalformed``."""
        lines = text.split("\n")
        if lines.pop() or len(lines) < _LINES or lines[0] != FORM:
            raise RecalledListMalformed(problem=f"it does not begin with the lines {FORM}, origin and version")
        _, origin, version, *manifests = lines
        if not origin:
            raise RecalledListMalformed(problem="it names no log")
        if not _NUMBER.fullmatch(version) or int(version) > MAX_VERSION:
            raise RecalledListMalformed(problem="its version is no number")
        if bool(manifests) != (version != "0"):
            raise RecalledListMalformed(problem="only the list without manifests has version 0")
        return cls(origin=origin, version=int(version), manifests=_ascending(manifests))

    def names(self, manifest_sha256: str) -> bool:
        """Whether the manifest was recalled."""
        place = bisect_left(self.manifests, manifest_sha256)
        return self.manifests[place : place + 1] == (manifest_sha256,)


def _ascending(manifests: Sequence[str]) -> tuple[str, ...]:
    if len(manifests) > MOST_RECALLED:
        raise RecalledListMalformed(problem=f"it has more than {MOST_RECALLED} manifests")
    if not all(_DIGEST.fullmatch(each) for each in manifests):
        raise RecalledListMalformed(problem="a line is no SHA-256 in lowercase hex")
    if any(before >= after for before, after in pairwise(manifests)):
        raise RecalledListMalformed(problem="its manifests do not ascend")
    return tuple(manifests)


def open_recalled(unverified_note: bytes, keys: Sequence[VerifierKey]) -> RecalledList:
    """The list, signed by one of the keys, which are of the log that it names.

    Raises ``NoteMalformed``, ``NoteUnsigned``, ``NoteSignatureInvalid``, ``RecalledListMalformed`` or
    ``OriginMismatch``.
    """
    note = SignedNote.parse(unverified_note, most_bytes=MAX_LIST_BYTES)
    signers = note.verified_by(keys)
    found = RecalledList.parse(note.text)
    name = signers[0][0].name
    if found.origin != name:
        raise OriginMismatch(expected=name, actual=found.origin)
    return found
