"""Backups of both kinds of database, put back into both; what is refused, and what no backup holds."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from signer.administration import administration
from signer.backup import also_to_keep, make_backup, stopped
from signer.config import Settings, load_settings
from signer.domain.access.presets import init_text
from signer.errors import (
    BackupUnusable,
    CheckpointFileDamaged,
    CheckpointFileMissing,
    DatabaseTaken,
    FolderTaken,
    InstallationInUse,
    RestoreRollsBack,
)
from signer.restore import restore
from signer.services.policy_administration import PolicyProposal
from signer.storage.copying import COPIED
from signer.storage.first_policy import first_policy
from signer.storage.key_store import SqlKeyStore
from signer.storage.log_reader import SqlLogReader
from signer.storage.tables import log_head
from tests.support.api_token_rows import add_api_token
from tests.support.audited_logs import AuditedLog
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.records import add_pinned
from tests.support.rows import slow_but_every
from tests.support.written_logs import KEY

CONFIG = """
[database]
url = "{url}"
[spool]
directory = "spool"
[[tokens]]
name = "one"
uri = "pkcs11:token=one?module-path=/nowhere.so"
pin = {{ file = "token.pin" }}
"""
PIN = "a-pin-that-no-backup-holds"


def configured(folder: Path, url: str) -> tuple[Settings, Path]:
    """An installation's configuration in a folder of its own, with a PIN beside it."""
    folder.mkdir(exist_ok=True)
    config = folder / "artifact-signer.toml"
    config.write_text(CONFIG.format(url=url))
    (folder / "token.pin").write_text(PIN)
    return load_settings(config, {}), config


class House:
    """An installation with a log, and a backup of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.settings, self.config = configured(folder / "here", url)
        self.opener = Opener(url)
        self.log = AuditedLog(self.opener(), ManualClock())
        self.log.tell_keys()
        self.log.sign(3, again=True)
        self.log.sign_fast(260)
        self.administer()
        self.keep()

    def administer(self) -> None:
        """Somebody, a group, a policy, and a version below which nothing is signed."""
        add_api_token(self.log.database, "boss", "administrator")
        services = administration(self.log.database, self.log.clock)
        services.people.create("ada", display="Ada", email="ada@example.org", actor="test")
        services.people.assign("ci:forge/17", "ada", actor="test")
        services.people.create_group("release", actor="test")
        services.people.add_member("release", "person:ada", actor="test")
        services.policies.apply(PolicyProposal(text=init_text("boss"), reason="x"), actor="test")
        place = (KEY, "board", "rootfs")
        services.floors.set(place, unverified_order="numeric", version="7", reason="x", actor="test")

    def keep(self) -> None:
        """The checkpoint file is of now."""
        self.log.keep(self.settings.log.checkpoint_file)

    def back_up(self, name: str = "backup") -> Path:
        """A backup of now."""
        make_backup(self.settings, self.config, self.folder / name)
        return self.folder / name


@pytest.fixture
def house(tmp_path: Path, database_url: str) -> Iterator[House]:
    made = House(tmp_path, database_url)
    yield made
    made.opener.close()


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[House]:
    made = House(tmp_path, sqlite_url)
    yield made
    made.opener.close()


def rows(url: str) -> dict[str, list[object]]:
    """All that is in a database."""
    opener = Opener(url)
    with opener().reading() as connection:
        found = {table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
                 for table in COPIED}  # fmt: skip
    opener.close()
    return found


def test_a_backup_has_all_rows_and_its_parts(house: House) -> None:
    folder = house.back_up()
    assert {path.name for path in folder.iterdir()} == {
        "backup.json", "database.sqlite", "checkpoint", "log.vkey", "artifact-signer.toml",
    }  # fmt: skip
    assert rows(f"sqlite:///{folder}/database.sqlite") == rows(house.url)
    index = json.loads((folder / "backup.json").read_text())
    assert index["size"] == SqlLogReader(database=house.log.database).head().size
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o077] == []


def test_it_is_put_back_into_an_sqlite_database(house: House, tmp_path: Path) -> None:
    folder, there = house.back_up(), tmp_path / "there"
    settings, _ = configured(there, f"sqlite:///{there}/signer.sqlite")
    done = restore(settings, folder)
    assert (done.compared, done.has_file, done.aside) == ((), False, None)
    assert rows(settings.database.url) == rows(house.url)


def test_it_is_put_back_into_an_empty_postgresql_database(lite: House, tmp_path: Path, empty_postgres_url: str) -> None:
    folder = lite.back_up()
    settings, _ = configured(tmp_path / "there", empty_postgres_url)
    restore(settings, folder)
    assert rows(empty_postgres_url) == rows(lite.url)
    with pytest.raises(DatabaseTaken):
        restore(settings, folder)
    # What is made from here on has numbers of its own.
    opener = Opener(empty_postgres_url)
    add_pinned(SqlKeyStore(database=opener(), clock=ManualClock()), "another")
    opener.close()


@pytest.mark.slow
def test_it_is_put_back_where_nothing_but_the_first_policy_is(
    lite: House, tmp_path: Path, empty_postgres_url: str
) -> None:
    opener = Opener(empty_postgres_url)
    opener().upgrade(then=first_policy(ManualClock()))
    opener.close()
    other, _ = configured(tmp_path / "there", empty_postgres_url)
    assert restore(other, lite.back_up()).aside is None
    assert rows(empty_postgres_url) == rows(lite.url)


@pytest.mark.slow
def test_nothing_is_put_back_where_another_policy_was_applied(
    lite: House, tmp_path: Path, empty_postgres_url: str
) -> None:
    opener = Opener(empty_postgres_url)
    database = opener()
    database.upgrade(then=first_policy(ManualClock()))
    add_api_token(database, "boss", "administrator")
    policies = administration(database, ManualClock()).policies
    policies.apply(PolicyProposal(text=init_text("boss"), reason="x"), actor="test")
    other, _ = configured(tmp_path / "there", empty_postgres_url)
    with pytest.raises(DatabaseTaken):
        restore(other, lite.back_up())
    assert policies.show().revision == 2
    opener.close()


def test_what_was_there_is_put_aside(lite: House) -> None:
    folder = lite.back_up()
    lite.log.sign(1)
    lite.opener.close()
    before = rows(lite.url)
    done = restore(lite.settings, folder)
    assert done.aside is not None
    assert rows(f"sqlite:///{done.aside}") == before
    assert restore(lite.settings, folder).aside != done.aside


def test_a_backup_of_before_what_this_machine_has_seen_is_refused(lite: House) -> None:
    folder = lite.back_up()
    lite.log.sign(1)
    lite.keep()
    before = rows(lite.url)
    with pytest.raises(RestoreRollsBack) as refused:
        restore(lite.settings, folder)
    assert refused.value.known == refused.value.restored + 2 - 1
    assert rows(lite.url) == before
    assert [path.name for path in lite.settings.log.checkpoint_file.parent.iterdir() if "restore" in path.name] == []


@pytest.mark.slow
def test_a_backup_of_another_log_is_refused(lite: House, tmp_path: Path, sqlite_template: Path) -> None:
    folder = lite.back_up()
    other = tmp_path / "other.sqlite"
    shutil.copyfile(sqlite_template, other)
    opener = Opener(f"sqlite:///{other}")
    another = AuditedLog(opener(), ManualClock())
    another.tell_keys()
    another.keep(lite.settings.log.checkpoint_file)
    opener.close()
    with pytest.raises(RestoreRollsBack):
        restore(lite.settings, folder)


def test_nothing_is_put_back_under_a_service_that_runs(lite: House) -> None:
    folder = lite.back_up()
    with stopped(lite.settings), pytest.raises(InstallationInUse):
        restore(lite.settings, folder)


def test_a_service_may_write_meanwhile(lite: House) -> None:
    folder = lite.back_up("first")
    with lite.log.database.writing():
        # Whoever writes holds the lock; a reader waits for nobody.
        second = lite.back_up("second")
    assert rows(f"sqlite:///{folder}/database.sqlite") == rows(f"sqlite:///{second}/database.sqlite")


def test_no_backup_holds_a_secret(lite: House) -> None:
    folder = lite.back_up()
    assert [path.name for path in folder.iterdir() if PIN.encode() in path.read_bytes()] == []
    assert any("PIN" in sentence for sentence in also_to_keep(lite.settings))
    assert any("private.key" in sentence for sentence in also_to_keep(lite.settings))


def _truncated(folder: Path) -> None:
    content = (folder / "database.sqlite").read_bytes()
    (folder / "database.sqlite").write_bytes(content[: len(content) // 2])


def _rewritten(folder: Path) -> None:
    """One leaf says something else, and the index knows the file's new digest."""
    import hashlib

    path = folder / "database.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER log_leaves_keep_update")
        connection.execute("UPDATE log_leaves SET leaf = replace(leaf, 'pipeline', 'somebody') WHERE id = 9")
        connection.commit()
    index = json.loads((folder / "backup.json").read_text())
    index["files"]["database.sqlite"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "backup.json").write_text(json.dumps(index))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no index": lambda folder: (folder / "backup.json").unlink(),
    "an index that is none": lambda folder: (folder / "backup.json").write_text("{"),
    "an index of another form": lambda folder: (folder / "backup.json").write_text('{"form": 2}'),
    "no database": lambda folder: (folder / "database.sqlite").unlink(),
    "half a database": _truncated,
    "a leaf that was changed": _rewritten,
    "another checkpoint": lambda folder: (folder / "checkpoint").write_bytes(b"x"),
    "no checkpoint": lambda folder: (folder / "checkpoint").unlink(),
    "other keys": lambda folder: (folder / "log.vkey").write_bytes(b""),
}


@pytest.mark.parametrize("sentence", slow_but_every(4, DAMAGE))
def test_a_backup_that_is_damaged_is_refused(lite: House, sentence: str) -> None:
    folder = lite.back_up()
    before = rows(lite.url)
    DAMAGE[sentence](folder)
    with pytest.raises(BackupUnusable):
        restore(lite.settings, folder)
    assert rows(lite.url) == before


class TestMaking:
    def test_a_folder_that_holds_something_is_left(self, lite: House) -> None:
        folder = lite.back_up()
        with pytest.raises(FolderTaken):
            make_backup(lite.settings, lite.config, folder)

    def test_a_log_whose_leaves_tell_of_no_key_is_no_backup(self, tmp_path: Path, sqlite_url: str) -> None:
        settings, config = configured(tmp_path / "here", sqlite_url)
        opener = Opener(sqlite_url)
        log = AuditedLog(opener(), ManualClock())
        log.sign(1)
        log.keep(settings.log.checkpoint_file)
        with pytest.raises(BackupUnusable) as refused:
            make_backup(settings, config, tmp_path / "backup")
        opener.close()
        assert "no leaf of its log tells a key" in refused.value.problem
        assert not (tmp_path / "backup" / "backup.json").exists()

    def test_without_the_checkpoint_file_there_is_none(self, lite: House) -> None:
        lite.settings.log.checkpoint_file.unlink()
        with pytest.raises(CheckpointFileMissing):
            lite.back_up()

    def test_with_a_damaged_one_there_is_none(self, lite: House) -> None:
        lite.settings.log.checkpoint_file.write_bytes(b"")
        with pytest.raises(CheckpointFileDamaged):
            lite.back_up()

    def test_a_log_that_does_not_hold_is_no_backup(self, lite: House) -> None:
        with lite.log.database.writing() as connection:
            connection.execute(update(log_head).values(root=bytes(32)))
        with pytest.raises(BackupUnusable):
            lite.back_up()
        assert not (lite.folder / "backup" / "backup.json").exists()
