"""Backups put back on a machine that lost its checkpoint file: what else is known of the log tells older ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from signer.domain.verified_log import VerifiedLog
from signer.errors import RestoreRollsBack
from signer.restore import restore
from signer.storage.log_reader import SqlLogReader
from signer.storage.tables import log_checkpoints
from signer.witness.report import WitnessFile
from tests.signer.test_backup import House, lite, rows
from tests.support.rows import slow_but
from tests.support.written_logs import ORIGIN, note
from verifier import VerificationError

__all__ = ["lite"]


def _elsewhere(house: House, note: bytes) -> dict[str, object]:
    path = house.folder / "seen.checkpoint"
    path.write_bytes(note)
    return {"checkpoints": [path]}


def _of_witnesses(house: House, note: bytes) -> dict[str, object]:
    WitnessFile(house.settings.log.witness_file).write(ORIGIN, note, {})
    return {}


def _in_the_database(house: House, note: bytes) -> dict[str, object]:
    with house.log.database.writing() as connection:
        connection.execute(insert(log_checkpoints).values(size=int(note.splitlines()[1]), note=note))
    return {}


SEEN: dict[str, Callable[[House, bytes], dict[str, object]]] = {
    "in a file of a person": _elsewhere,
    "by witnesses": _of_witnesses,
    "in the database that it replaces": _in_the_database,
}


@pytest.fixture
def forgetful(lite: House) -> tuple[House, Path]:
    """A machine without a checkpoint file, whose database holds no checkpoint, and an older backup of it."""
    folder = lite.back_up()
    lite.log.sign(4)
    lite.settings.log.checkpoint_file.unlink()
    return lite, folder


@pytest.mark.parametrize("sentence", slow_but({"in the database that it replaces"}, SEEN))
class TestWithoutACheckpointFile:
    """An older backup is known by what was seen of the log."""

    def test_a_backup_of_before_is_refused(self, forgetful: tuple[House, Path], sentence: str) -> None:
        house, folder = forgetful
        options = SEEN[sentence](house, house.log.certify(row=False))
        before = rows(house.url)
        with pytest.raises(RestoreRollsBack) as refused:
            restore(house.settings, folder, **options)  # type: ignore[arg-type]
        assert refused.value.known == refused.value.restored + 4
        assert rows(house.url) == before

    def test_a_backup_of_another_history_is_refused(self, forgetful: tuple[House, Path], sentence: str) -> None:
        house, folder = forgetful
        # The newest one of a database counts.
        size = 10_000 if sentence.startswith("in the database") else 9
        options = SEEN[sentence](house, note(size, bytes(32)))
        with pytest.raises(RestoreRollsBack):
            restore(house.settings, folder, **options)  # type: ignore[arg-type]

    def test_one_that_begins_with_it_is_put_back(self, forgetful: tuple[House, Path], sentence: str) -> None:
        house, folder = forgetful
        reader = SqlLogReader(database=house.log.database)
        root = VerifiedLog().extended(reader.leaves(0, 9)).frontier.root
        done = restore(house.settings, folder, **SEEN[sentence](house, note(9, root)))  # type: ignore[arg-type]
        assert (bool(done.compared), done.has_file) == (True, False)


NO_CHECKPOINTS = {
    "another key's": lambda size: note(size, bytes(32), seed=2),
    "another log's": lambda size: note(size, bytes(32), origin="other.example/log"),
    "unsigned": lambda size: note(size, bytes(32)).partition(b"\xe2\x80\x94")[0],
    "garbage": lambda _: b"<html>",
    "empty": lambda _: b"",
    "endless": lambda _: b"x" * (1 << 21),
}


@pytest.mark.parametrize("sentence", slow_but({"another key's", "garbage"}, NO_CHECKPOINTS))
class TestWhatIsNoCheckpoint:
    """It says nothing of a backup."""

    def test_refuses_what_a_person_named(self, forgetful: tuple[House, Path], sentence: str) -> None:
        house, folder = forgetful
        before = rows(house.url)
        with pytest.raises(VerificationError):
            restore(house.settings, folder, **_elsewhere(house, NO_CHECKPOINTS[sentence](999)))  # type: ignore[arg-type]
        assert rows(house.url) == before

    def test_hinders_nobody_where_it_lies_about(self, forgetful: tuple[House, Path], sentence: str) -> None:
        house, folder = forgetful
        _of_witnesses(house, NO_CHECKPOINTS[sentence](999))
        # The database that it replaces holds checkpoints of the time of the backup.
        assert restore(house.settings, folder).compared == (house.url.removeprefix("sqlite:///"),)


def test_with_a_checkpoint_file_what_a_person_named_counts_too(lite: House) -> None:
    folder = lite.back_up()
    lite.log.sign(1)
    with pytest.raises(RestoreRollsBack):
        restore(lite.settings, folder, **_elsewhere(lite, lite.log.certify(row=False)))  # type: ignore[arg-type]
    assert restore(lite.settings, folder).has_file


def test_a_checkpoint_that_is_not_there_ends_it(lite: House) -> None:
    folder = lite.back_up()
    with pytest.raises(FileNotFoundError):
        restore(lite.settings, folder, checkpoints=[lite.folder / "nothing"])
