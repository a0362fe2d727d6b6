"""What witnesses signed, served with the checkpoint that they signed and with no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.errors import WitnessRefused
from signer.witness.report import CosignedNotes, WitnessFile, WitnessReport
from tests.support.made_logs import MadeLog, NoteKey
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
    file.write(None, {"one": WitnessRefused(witness="one", status=403)})
    alarms = {"one": ("witness-refused", {"witness": "one", "status": 403})}
    assert file.read() == WitnessReport(note=None, alarms=alarms)
    file.write(cosigned(3), {})
    assert file.read() == WitnessReport(note=cosigned_again(file), alarms={})


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
    file.write(signed, {})
    assert notes.latest() == signed
    newest.note = LOG.checkpoint(4)
    assert notes.latest() == newest.note
    signed = cosigned(4)
    file.write(signed, {})
    assert notes.latest() == signed
    newest.note = MadeLog.of(9, kind="other", keys=LOG.keys).checkpoint(4)
    assert notes.latest() == newest.note


@pytest.mark.parametrize("content", [
    b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"note": 1, "alarms": {}}', b'{"note": null, "alarms": []}',
    b'{"note": null, "alarms": {"one": 1}}', b'{"note": null}',
])  # fmt: skip
def test_a_file_that_says_nothing_is_as_none(content: bytes, tmp_path: Path, file: WitnessFile) -> None:
    (tmp_path / "witnesses").write_bytes(content)
    newest = Newest(LOG.checkpoint(3))
    assert file.read() is None
    assert CosignedNotes(notes=newest, file=file).latest() == newest.note
