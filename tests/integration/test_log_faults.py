"""Crashes and tampering with real recorders: what is given out is on record and covered, or it is not given out."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from signer.bootstrap import build_application, sql_parts, utc_now
from signer.domain.keys import UNBOUNDED
from signer.domain.records import Recorded
from signer.domain.refusals import RefusedCall
from signer.errors import CheckpointNotWritten, LogStopped
from signer.recorder.addresses import socket_path
from signer.recorder.client import RecorderClient
from signer.recorder.supervision import RecorderSupervisor
from signer.services.ports import LeafQuery
from signer.storage.checkpoint_file import SLOT_BYTES, CheckpointFile
from signer.storage.log_reader import SqlLogReader
from signer.storage.tables import api_tokens
from signer.token import open_tokens
from tests.support.databases import Opener
from tests.support.house import ADMIN
from tests.support.recorder_scene import PAST, Scene
from tests.support.recorders import WAIT_SECONDS, settings_of, until
from tests.support.rows import slow_but
from tests.support.shared_objects import shared_object
from verifier.log import SignedNote, parsed_leaf


@pytest.fixture
def scene(tmp_path: Path, database_url: str, open_database: Opener) -> Scene:
    return Scene(tmp_path / "spool", database_url, open_database())


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_object("disk", tmp_path_factory.mktemp("disk"))


@pytest.fixture
def failing(scene: Scene, library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecorderSupervisor]:
    """A recorder whose checkpoints are on a disk that obeys."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("DISK_FILE", scene.file.name)
    monkeypatch.setenv("DISK_CONTROL", str(scene.control))
    with scene.recorder() as supervisor:
        yield supervisor


CRASHES = {
    "between the commit and the file": "pwrite abort",
    "in the middle of the write": "pwrite part 9",
    "between the write and the disk": "fdatasync abort",
    "between the disk and the answer": "fdatasync after",
}

FIRST_CRASHES = {"in the middle of the write"}


@pytest.mark.parametrize("sentence", slow_but(FIRST_CRASHES, CRASHES))
def test_killed(scene: Scene, failing: RecorderSupervisor, sentence: str) -> None:
    first = scene.record("first")
    pid = failing.pid
    scene.disk(CRASHES[sentence])
    sent = scene.entry("second")
    # Nobody is told anything: neither by the one that is killed, nor by those that are killed as they begin.
    assert not isinstance(scene.send(sent, seconds=2.0), Recorded)
    until(lambda: failing.pid not in (None, pid))
    scene.disk()
    second = scene.send(sent)
    assert (second.repeated, second.index) == (False, first.index + 1)
    scene.check([first, second, scene.record("third")])


ERRORS = {
    "a disk that fails": (f"fdatasync fail {errno.EIO}", "Input/output error"),
    "a disk that is full": (f"pwrite fail {errno.ENOSPC}", "No space left on device"),
}


@pytest.mark.parametrize("sentence", slow_but(set(), ERRORS))
def test_errors(scene: Scene, failing: RecorderSupervisor, sentence: str) -> None:
    command, reason = ERRORS[sentence]
    first = scene.record("first")
    pid = failing.pid
    scene.disk(command)
    sent = scene.entry("second")
    answer = scene.send(sent)
    assert isinstance(answer, CheckpointNotWritten)
    assert answer.reason == reason
    assert isinstance(scene.trouble(), CheckpointNotWritten)
    # The next one meets the same disk: an error, and another one in the recovery.
    until(lambda: failing.pid not in (None, pid))
    assert isinstance(scene.record("third"), CheckpointNotWritten)
    scene.disk()
    until(lambda: scene.trouble() is None)
    second = scene.send(sent)
    assert second.index == first.index + 1
    scene.check([first, second, scene.record("third")])


def _plant(scene: Scene) -> None:
    row = {"id": "0" * 16, "name": "planted", "role": "signer", "secret_sha256": bytes(32), "created_at": PAST}
    with scene.book.database.writing() as connection:
        connection.execute(insert(api_tokens).values(row))


TAMPERING: dict[str, tuple[Callable[[Scene], None], str]] = {
    "an API token by hand": (_plant, "access-tampered"),
}


@pytest.mark.parametrize("sentence", TAMPERING)
def test_changed_past_a_running_recorder(scene: Scene, sentence: str) -> None:
    change, reason = TAMPERING[sentence]
    with scene.recorder() as supervisor:
        first = scene.record("first")
        change(scene)
        until(lambda: isinstance(scene.trouble(), LogStopped))
        answer = scene.record("second")
        assert isinstance(answer, LogStopped)
        assert answer.reason == reason
        pid = supervisor.pid
        time.sleep(0.1)
        assert supervisor.pid == pid
    with scene.recorder():
        answer = scene.record("third")
        assert isinstance(answer, LogStopped), "nor by the next one"
        assert answer.reason == reason
    scene.check([first])


@pytest.mark.slow
def test_an_older_copy_is_put_back(tmp_path: Path, sqlite_url: str) -> None:
    opener = Opener(sqlite_url)
    scene = Scene(tmp_path / "spool", sqlite_url, opener())
    with scene.recorder():
        first = scene.record("first")
    opener.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    shutil.copy(path, tmp_path / "old")
    with scene.recorder():
        scene.record("second")
    opener.close()
    newest = tmp_path / "newest"
    shutil.copy(path, newest)
    shutil.copy(tmp_path / "old", path)
    with scene.recorder():
        answer = scene.record("third")
        assert isinstance(answer, LogStopped)
        assert answer.reason == "log-rolled-back"
    opener.close()
    shutil.copy(newest, path)
    with scene.recorder():
        scene.check([first, scene.record("third")])
    opener.close()


@pytest.mark.slow
def test_a_recorder_goes_on_from_an_older_file(scene: Scene) -> None:
    """It takes the leaves since then as those of others, and verifies them."""
    with scene.recorder():
        first = scene.record("first")
        old = scene.file.read_bytes()
        second = scene.record("second")
    scene.file.write_bytes(old)
    with scene.recorder():
        scene.check([first, second, scene.record("third")])


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "checkpoint-file-missing"),
    "empty": (lambda path: os.truncate(path, 0), "checkpoint-file-damaged"),
    "torn in both slots": (lambda path: path.write_bytes(bytes(2 * SLOT_BYTES)), "checkpoint-file-damaged"),
    "readable by others": (lambda path: path.chmod(0o644), "checkpoint-file-damaged"),
}


@pytest.mark.parametrize("sentence", slow_but({"missing"}, FILES))
def test_without_its_file_nothing_is_signed_until_it_is_back(scene: Scene, sentence: str) -> None:
    change, reason = FILES[sentence]
    kept = scene.file.read_bytes()
    change(scene.file)
    with scene.recorder():
        answer = scene.record("first")
        assert isinstance(answer, LogStopped)
        assert answer.reason == reason
        scene.file.unlink(missing_ok=True)
        scene.file.touch(mode=0o600)
        scene.file.write_bytes(kept)
        until(lambda: scene.trouble() is None)
        scene.check([scene.record("first")])


@pytest.mark.slow
def test_a_file_that_no_key_of_the_log_signed_is_refused(scene: Scene) -> None:
    saved = CheckpointFile(scene.file).read()
    # A signature line of nobody in the place of the one there was.
    text_, _, line = saved.note.rpartition(b"\n\n")
    forged = text_ + b"\n\n" + line.replace(line.split()[2], b"AAAAAAAA")
    scene.file.unlink()
    CheckpointFile(scene.file).create(note=forged, log=saved.log)
    with scene.recorder():
        answer = scene.record("first")
    assert isinstance(answer, LogStopped)
    assert answer.reason == "checkpoint-file-damaged"


@pytest.mark.slow
def test_a_refusal_becomes_a_leaf_under_a_checkpoint(scene: Scene) -> None:
    call = RefusedCall(identity="api-token:reader", key="firmware", reason="no", request_id="abc")

    async def refuse() -> None:
        client = RecorderClient(socket_path(scene.directory))
        client.refuse(call)
        # Sent before what follows, over the same connection.
        await client.record_many([scene.entry("one")], deadline=time.monotonic() + WAIT_SECONDS)
        client.close()
        await asyncio.sleep(0)

    reader = SqlLogReader(database=scene.book.database)
    with scene.recorder():
        asyncio.run(refuse())
        until(lambda: reader.find(LeafQuery(first=0, limit=9, types=("signature-refused",))))
        until(lambda: CheckpointFile(scene.file).read().log.size == reader.head().size)
    (found,) = reader.find(LeafQuery(first=0, limit=9, types=("signature-refused",)))
    assert (parsed_leaf(found.leaf)["actor"], parsed_leaf(found.leaf)["request"]) == (call.identity, call.request_id)


@pytest.mark.slow
def test_the_key_of_the_log_is_rotated_under_a_running_recorder(scene: Scene) -> None:
    """While there is a next version both sign, then the new one; the log tells of each change."""
    settings = settings_of(scene.directory, scene.url)

    def lines() -> list[bytes]:
        return [line.id for line in SignedNote.parse(CheckpointFile(scene.file).read().note).unverified_signatures]

    def told() -> list[object]:
        leaves = SqlLogReader(database=scene.book.database).find(
            LeafQuery(first=0, limit=100, types=("log-key-changed",))
        )
        return [parsed_leaf(each.leaf)["keys"] for each in leaves]

    with scene.recorder(), closing(open_tokens(settings)) as pool:
        pool.start()
        application = build_application(
            settings, sql_parts(settings, database=scene.book.database, tokens=pool, clock=utc_now)
        )
        scene.record("first")
        (old,) = lines()
        application.lifecycle.prepare(ADMIN, "log", validity=UNBOUNDED)
        until(lambda: len(lines()) == 2)
        until(lambda: len(str(told()[-1]).split(",")) == 2)
        (_, new) = lines()
        application.lifecycle.rotate(ADMIN, "log")
        until(lambda: lines() == [new])
        application.lifecycle.retire(ADMIN, "log", 1)
        until(lambda: len(str(told()[-1]).split(",")) == 1)
        assert new != old
        scene.check([scene.record("last")])
