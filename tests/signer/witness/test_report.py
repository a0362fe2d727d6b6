"""What witnesses signed, served with the checkpoint that they signed and with no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.errors import LogRolledBack, SignerError, WitnessRefused
from signer.witness.report import CosignedNotes, WitnessFile, WitnessReport
from tests.support.made_logs import ORIGIN, MadeLog, NoteKey
from verifier.log import KeyType

LOG = MadeLog.of(9, keys=(NoteKey.p256(7),))
WITNESS = NoteKey.ed25519(2, "w.example", KeyType.COSIGNATURE)


@dataclass(slots=True)
class Newest:
    """The log's own newest checkpoint."""

    note: bytes

    def latest(self) -> bytes:
        return self.note


def cosigned(size: int) -> bytes:
    return LOG.checkpoint(size, WITNESS.line(str(LOG.head(size))))


@pytest.fixture
def file(tmp_path: Path) -> WitnessFile:
    return WitnessFile(tmp_path / "witnesses")


def test_the_file_says_what_was_written(file: WitnessFile) -> None:
    assert file.read() is None
    file.write(ORIGIN, None, {"one": WitnessRefused(witness="one", status=403)})
    alarms = {"one": ("witness-refused", {"witness": "one", "status": 403})}
    assert file.read() == WitnessReport(origin=ORIGIN, note=None, alarms=alarms)
    file.write(ORIGIN, cosigned(3), {})
    assert file.read() == WitnessReport(origin=ORIGIN, note=cosigned_again(file), alarms={})


def cosigned_again(file: WitnessFile) -> bytes | None:
    report = file.read()
    assert report is not None
    return report.note


def test_signatures_are_served_with_their_own_checkpoint_alone(file: WitnessFile) -> None:
    # A signature with P-256 is another one each time: the same checkpoint has other bytes.
    newest = Newest(LOG.checkpoint(3))
    notes = CosignedNotes(notes=newest, file=file)
    assert notes.latest() == newest.note
    signed = cosigned(3)
    file.write(ORIGIN, signed, {})
    assert notes.latest() == signed
    newest.note = LOG.checkpoint(4)
    assert notes.latest() == newest.note
    signed = cosigned(4)
    file.write(ORIGIN, signed, {})
    assert notes.latest() == signed
    newest.note = MadeLog.of(9, kind="other", keys=LOG.keys).checkpoint(4)
    assert notes.latest() == newest.note


ROLLED_BACK = {"one": LogRolledBack(verified=9, found=4)}
TOLD: dict[str, tuple[str, dict[str, SignerError], int, bool]] = {
    "a log that is as small as it was": (ORIGIN, ROLLED_BACK, 4, True),
    "a log that grew, and not enough": (ORIGIN, ROLLED_BACK, 8, True),
    "a log whose leaves were put back": (ORIGIN, ROLLED_BACK, 9, False),
    "another log": ("other.example", ROLLED_BACK, 4, False),
    "a witness that refuses": (ORIGIN, {"one": WitnessRefused(witness="one", status=403)}, 4, False),
}


@pytest.mark.parametrize(("origin", "alarms", "size", "stops"), TOLD.values(), ids=TOLD)
def test_what_was_told_of_a_rollback_is_remembered_of(
    origin: str, alarms: dict[str, SignerError], size: int, stops: bool, file: WitnessFile
) -> None:
    assert file.rolled_back(ORIGIN, size) is None
    file.write(ORIGIN, None, alarms)
    found = file.rolled_back(origin, size)
    assert (found is not None) is stops
    if found is not None:
        assert (found.verified, found.found) == (9, size)


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"origin": "x", "note": 1, "alarms": {}}',
    b'{"origin": "x", "note": null, "alarms": []}',
    b'{"origin": "x", "note": null, "alarms": {"one": 1}}', b'{"note": null}',
])  # fmt: skip
def test_a_file_that_says_nothing_is_as_none(content: bytes, tmp_path: Path, file: WitnessFile) -> None:
    (tmp_path / "witnesses").write_bytes(content)
    newest = Newest(LOG.checkpoint(3))
    assert file.read() is None
    assert CosignedNotes(notes=newest, file=file).latest() == newest.note
