"""Every command that looks at a log, at the sizes where trees, tiles and bundles begin and end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from signer.bootstrap import Parts
from signer.cli.main import run
from signer.domain.identity import Role
from signer.storage.database import Database
from tests.cli.test_strange_answers import http
from tests.docs.application import application
from tests.support.canned import answering
from tests.support.made_logs import MadeLog, request
from tests.support.memory_log import MemoryCheckpoints
from tests.support.sized_logs import BEFORE_SIGNATURES, SizedLog, sized_log
from tests.support.witnesses import running_witness
from tests.support.written_logs import verifier_key
from verifier.log import SignedNote

LARGE = 65_537
SIZES = (
    0, 257,
    *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2, 255, 256)),
    pytest.param(LARGE, marks=[pytest.mark.slow, pytest.mark.xdist_group("large log"), pytest.mark.timeout(900)]),
)  # fmt: skip
FIRST, LAST = 1001, 20
HOLDS, TOLD, UNSEEN = 0, 1, 2


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], SizedLog]:
    """The log of a size, made once."""
    return cache(lambda size: sized_log(tmp_path_factory.mktemp(f"log-{size}"), size))


@pytest.fixture(params=SIZES)
def log(request: pytest.FixtureRequest, made: Callable[[int], SizedLog], tmp_path: Path) -> SizedLog:
    """A log of this test's own."""
    return made(request.param).copied(tmp_path / "site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    for name in ("URL", "CONFIG", "LOG_KEY_FILE", "CA_FILE", "API_TOKEN"):
        monkeypatch.delenv(f"ARTIFACT_SIGNER_{name}", raising=False)

    def call(*arguments: object) -> Done:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Done(code=code, out=out, err=err)

    return call


@contextmanager
def served(log: SizedLog, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The routes of the service over this log, for whoever asks as the environment says."""
    note = log.checkpoint

    def changed(parts: Parts, _: Database) -> Parts:
        return replace(parts, checkpoints=MemoryCheckpoints(note=note))

    made = application(log.folder, changed=changed)

    def answer(head: str) -> bytes:
        method, target, _ = head.split("\r\n", maxsplit=1)[0].split(" ")
        reply = made.ask(method, target, made.credentials[Role.AUDITOR])
        return http(reply.status_code, reply.data, reply.content_type)

    try:
        with answering(answer) as server:
            monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
            monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", "whatever")
            monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "60")
            yield
    finally:
        made.close()


@pytest.fixture(params=["over the API", "in the database"])
def place(
    request: pytest.FixtureRequest, log: SizedLog, command: Command, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, ...]]:
    """The options of a command that shall look there."""
    if request.param == "in the database":
        yield ("--config", str(log.config))
    else:
        with served(log, monkeypatch):
            yield ()


def test_show_and_search(log: SizedLog, place: tuple[str, ...], command: Command) -> None:
    done = command("log", "show", "--json", *place)
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert [entry["index"] for entry in shown] == list(range(max(0, log.size - LAST), log.size))
    beyond = command("log", "show", log.size, *place)
    assert (beyond.code, f"the log has no leaf {log.size}" in beyond.err) == (1, True)
    if log.size:
        last = json.loads(command("log", "show", log.size - 1, "--json", *place).out)
        assert last == shown[-1]
    begins = json.loads(command("log", "search", "--json", "--limit", FIRST, *place).out)
    assert [entry["index"] for entry in begins] == list(range(min(FIRST, log.size)))
    found = command("log", "search", "--type", "signature", "--limit", 100_000, "--json", *place)
    assert (found.code, len(json.loads(found.out))) == (0 if log.signatures else 1, log.signatures)


def test_verify_and_export_over_the_api(
    log: SizedLog, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with served(log, monkeypatch):
        sound(command("log", "verify", "--log-key", verifier_key(), "--json"), log)
        exported = command("log", "export", tmp_path / "copy", "--log-key", verifier_key())
        assert exported.code == HOLDS, exported.err
        assert f"of {log.size} leaves" in exported.err
        again = command("log", "export", tmp_path / "copy", "--log-key", verifier_key())
        assert "0 files are new" in again.err
    sound(command("log", "verify", "--export", tmp_path / "copy", "--log-key", verifier_key(), "--json"), log)


def sound(done: Done, log: SizedLog) -> None:
    assert done.code == HOLDS, done.err
    document = json.loads(done.out)
    assert (document["holds"], document["size"], document["checkpoint_size"]) == (True, log.size, log.size)
    assert document["signatures"] == log.signatures


def test_verify_and_export_in_the_database(log: SizedLog, command: Command, tmp_path: Path) -> None:
    here = ("--config", log.config)
    verified = command("log", "verify", *here, "--json")
    exported = command("log", "export", tmp_path / "copy", *here)
    if log.size == 0:
        assert (verified.code, exported.code, "has no log" in verified.err) == (UNSEEN, UNSEEN, True)
        return
    sound(verified, log)
    assert exported.code == HOLDS, exported.err
    sound(command("log", "verify", "--export", tmp_path / "copy", "--json"), log)


def test_a_state_goes_on(log: SizedLog, command: Command, tmp_path: Path) -> None:
    if log.size:
        state = ("--state", tmp_path / "state", "--json", "--config", log.config)
        sound(command("log", "verify", *state), log)
        again = command("log", "verify", *state)
        sound(again, log)
        assert json.loads(again.out)["verified_before"] == log.size // 256 * 256


def test_backup_and_restore(log: SizedLog, command: Command, tmp_path: Path) -> None:
    made = command("backup", tmp_path / "backup", "--config", log.config)
    if log.size == 0:
        assert (made.code, "no leaf of its log tells a key" in made.err) == (1, True), made.err
        return
    assert made.code == 0, made.err
    assert f"{log.size} leaves, {log.signatures} signatures, all verified" in made.err
    done = command("restore", tmp_path / "backup", "--config", log.config)
    assert done.code == 0, done.err
    assert f"of {log.size} leaves, all verified" in done.err
    sound(command("log", "verify", "--config", log.config, "--json"), log)


def test_monitor(log: SizedLog, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    look = ("log", "monitor", "--state", tmp_path / "state", "--log-key", verifier_key(), "--json")
    with served(log, monkeypatch):
        first = command(*look)
        assert (first.code, first.err) == (TOLD if log.size > 1 else HOLDS, "")
        told = [json.loads(line)["index"] for line in first.out.splitlines()]
        assert told == list(range(1, min(log.size, BEFORE_SIGNATURES)))
        again = command(*look)
        assert (again.code, again.out, again.err) == (HOLDS, "", "")


def test_a_witness_signs_each_size_after_the_one_before(tmp_path: Path) -> None:
    sizes = (0, 0, 1, 2, 255, 256, 257, LARGE, LARGE)
    log = MadeLog.of(LARGE)
    with running_witness(tmp_path, log.keys[0].verifier) as witness:
        for old, size in zip((0, *sizes), sizes, strict=False):
            path = log.proof(old, size) if 0 < old < size else ()
            status, line = witness.add(request(old, path, log.checkpoint(size)))
            assert status == 200, (old, size, line)
            note = log.checkpoint(size) + line
            ((key, _),) = SignedNote.parse(note).verified_by([witness.key])
            assert key.name == witness.key.name
            assert witness.latest() == (200, note)
