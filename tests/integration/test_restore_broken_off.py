"""A restore that goes on from an older backup, ended between any two of its steps, and then asked for once more."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signer.backup import make_backup
from signer.bootstrap import utc_now
from signer.domain.records import Recorded
from signer.errors import LogStopped
from signer.log_creation import VERIFIER_KEY_FILE, log_origin
from signer.services.ports import LeafQuery
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from tests.support import databases
from tests.support.audited_logs import AuditedLog
from tests.support.books import entry
from tests.support.broken_off import REASON
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.recorder_scene import Scene
from tests.support.recorders import settings_of, setup_line, until
from verifier.log import Checkpoint, SignedNote, parsed_leaf

# tests/signer has what ends a restore without processes.
pytestmark = pytest.mark.slow
SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Where it ends, and what this machine does with the database before it is asked for once more."""

    place: str
    # The database is still the one of before; else one that is refused.
    untouched: bool


ROWS = {
    "the copy is verified": Row(place="before signer.restore:_roll_back", untouched=True),
    "the tokens have answered": Row(place="after signer.restore:require_tokens", untouched=True),
    "the copy's log goes on": Row(place="before signer.log_continuation:_change_keys", untouched=True),
    "a key of the copy is retired": Row(place="after signer.log_continuation:_retire", untouched=True),
    "its keys have changed": Row(place="after signer.log_continuation:_change_keys", untouched=True),
    "the copy is done": Row(place="before signer.restore:put", untouched=True),
    "the copy is put in place": Row(place="after signer.restore:put", untouched=False),
    "its checkpoint is signed": Row(place="after signer.log_continuation:first_note", untouched=False),
    "the verifier key is written": Row(place="after signer.log_continuation:write_verifier_key", untouched=False),
    "the checkpoint file has another name as well": Row(
        place="after signer.storage.checkpoint_file:_kept_aside", untouched=False
    ),
}


class House:
    """An installation, a backup of it, and signatures that were given out since."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.opener = Opener(url)
        self.scene = Scene(folder / "spool", url, self.opener())
        self.settings = settings_of(self.scene.directory, url)
        self.home = self.settings.log.checkpoint_file.parent
        config = folder / "artifact-signer.toml"
        config.write_text("")
        reader = self.reader()
        log = AuditedLog(self.scene.book.database, ManualClock(datetime.now(UTC)))
        for name in ("earlier", "backup", "newest"):
            log.sign(2)
            with self.scene.recorder():
                until(lambda: CheckpointFile(self.scene.file).read().log.size == reader.head().size)
            if name != "newest":
                make_backup(self.settings, config, folder / name)
        self.old = CheckpointFile(self.settings.log.checkpoint_file).read()
        self.kept = self.scene.file.read_bytes()
        self.opener.close()

    def lose(self) -> None:
        """What there was is lost: PostgreSQL has to be empty before anything is put into it."""
        if self.url.startswith("sqlite"):
            return
        database = Database(databases.settings(self.url))
        with database.writing() as connection:
            for name in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
                connection.exec_driver_sql(name)
        database.close()

    def restore(self, place: str = "") -> subprocess.CompletedProcess[str]:
        """Ask for it."""
        return subprocess.run(
            [sys.executable, "-m", "tests.support.broken_off", place, self.folder / "backup", self.home],
            input=setup_line(self.scene.directory, self.url).decode(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def asked(self) -> object:
        """What a recorder says to a signature now."""
        revision = SqlKeyStore(database=self.opener(), clock=utc_now).access_revision()
        self.opener.close()
        with self.scene.recorder():
            return self.scene.send(entry(self.scene.version, "asked", access_revision=revision))

    def reader(self) -> SqlLogReader:
        """The log in the database, read anew."""
        return SqlLogReader(database=self.opener())


@pytest.fixture
def house(tmp_path: Path, sqlite_url: str) -> House:
    return House(tmp_path, sqlite_url)


@pytest.fixture
def postgres_house(tmp_path: Path, empty_postgres_url: str) -> House:
    databases.migrate(empty_postgres_url)
    return House(tmp_path, empty_postgres_url)


def refused(house: House) -> None:
    """The database is not the one that this machine believes."""
    answer = house.asked()
    assert isinstance(answer, LogStopped)
    assert answer.reason in {"log-rolled-back", "log-forked", "log-damaged"}


def finished(house: House) -> None:
    """It is asked for once more, and finishes: one log goes on, under one name, and signs."""
    done = house.restore()
    assert done.returncode == 0, done.stderr
    origin, _, aside = done.stdout.split()
    assert Path(aside).read_bytes() == house.kept
    reader = house.reader()
    assert log_origin(reader) == origin
    (continued,) = reader.find(LeafQuery(first=0, limit=9, types=("log-continued",)))
    leaf = parsed_leaf(continued.leaf)
    assert (leaf["reason"], leaf["restored_size"]) == (REASON, continued.index)
    assert leaf["old_checkpoint"] == SignedNote.parse(house.old.note).text
    assert Checkpoint.parse(SignedNote.parse(CheckpointFile(house.scene.file).read().note).text).origin == origin
    assert (house.home / VERIFIER_KEY_FILE).read_text().startswith(f"{origin}+")
    house.opener.close()
    assert isinstance(house.asked(), Recorded)
    names = [path.name for path in house.home.iterdir() if "rolled-back" in path.name]
    assert names == [Path(aside).name]
    assert [path.name for path in house.folder.iterdir() if ".restore" in path.name] == []


@pytest.mark.parametrize("sentence", ROWS)
def test_it_is_asked_for_once_more(house: House, sentence: str) -> None:
    row = ROWS[sentence]
    done = house.restore(row.place)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert CheckpointFile(house.scene.file).read().note == house.old.note, "the old one is believed until the end"
    if row.untouched:
        assert house.reader().head().root == house.old.frontier.root
        house.opener.close()
    else:
        refused(house)
    finished(house)


ON_POSTGRESQL = {sentence: row for sentence, row in ROWS.items() if not row.untouched or "put" in row.place}


@pytest.mark.parametrize("sentence", ON_POSTGRESQL)
def test_it_is_asked_for_once_more_on_postgresql(postgres_house: House, sentence: str) -> None:
    row = ON_POSTGRESQL[sentence]
    postgres_house.lose()
    done = postgres_house.restore(row.place)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if not row.untouched:
        refused(postgres_house)
    finished(postgres_house)


def test_what_one_that_broke_off_left_is_not_taken_for_another(house: House) -> None:
    """A log of SQLite's that lies beside another file would be read as that file's."""
    assert house.restore("after signer.log_continuation:_change_keys").returncode == -signal.SIGKILL
    assert [path.name for path in house.folder.iterdir() if path.name.endswith(".restore-wal")]
    finished(house)


def test_another_backup_is_not_taken_for_the_one_that_was_put(house: House) -> None:
    assert house.restore("after signer.restore:put").returncode == -signal.SIGKILL
    size = house.reader().head().size
    house.opener.close()
    shutil.rmtree(house.folder / "backup")
    shutil.copytree(house.folder / "earlier", house.folder / "backup")
    finished(house)
    assert house.reader().head().size < size + 2
    house.opener.close()
