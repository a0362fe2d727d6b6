"""``artifact-signer log monitor`` against what serves a log as the API does: sentences, documents, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.cli.main import run
from signer.log.source import PartUnusable
from signer.monitor import watching
from tests.cli.test_strange_answers import API_TOKEN, http
from tests.signer.monitor.leaves import Served, leaf, releases
from tests.support.canned import answering
from tests.support.made_logs import ORIGIN, MadeLog, NoteKey
from verifier.log import KeyType, Tile

LOG = releases(40)
LOG_KEY = str(LOG.keys[0].verifier)
FORK = MadeLog(leaves=[*LOG.leaves[:20], *(leaf(index=index, artifact="release-x") for index in range(20, 40))])
EXPECT = 'version = 1\n[[signatures]]\nname = "releases"\nkeys = ["firmware"]\nartifacts = ["release-*"]\n'
PEM = LOG.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
NOTHING, UNEXPECTED, NOT_LOOKED, INCONSISTENT = range(4)


def answer(source: Served) -> Callable[[str], bytes]:
    """What the service says to a request."""

    def answered(head: str) -> bytes:
        path = head.split()[1].removeprefix("/v1/log/")
        if path == "checkpoint":
            return http(200, source.checkpoint(), "text/plain; charset=utf-8")
        tile = Tile.parse(path)
        try:
            content = (
                source.entries(tile.number, tile.width)
                if tile.level is None
                else source.hashes(tile.level, tile.number, tile.width)
            )
        except PartUnusable:
            problem = {"code": "route-not-found", "detail": "there is none", "status": 404}
            return http(404, json.dumps(problem).encode(), "application/problem+json")
        return http(200, content, "application/octet-stream")

    return answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a look ended."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The lines, read."""
        return [json.loads(line) for line in self.out.splitlines()]


Look = Callable[..., Done]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Look:
    """Runs the command in a directory that stays between two looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTIFACT_SIGNER_API_TOKEN", API_TOKEN)
    monkeypatch.setenv("ARTIFACT_SIGNER_TIMEOUT", "20")
    monkeypatch.delenv("ARTIFACT_SIGNER_CA_FILE", raising=False)
    monkeypatch.setattr(watching, "STALE_SECONDS", 0.2)
    monkeypatch.setattr(watching, "STALE_LOOK_SECONDS", 0.02)
    Path("expect.toml").write_text(EXPECT, encoding="utf-8")

    def session(source: Served | bytes, *options: str) -> Done:
        with answering(source if isinstance(source, bytes) else answer(source)) as server:
            monkeypatch.setenv("ARTIFACT_SIGNER_URL", server.url)
            code = run(["log", "monitor", "--state", "state", "--log-key", LOG_KEY, *options])
        out, err = capsys.readouterr()
        return Done(code=code, out=out, err=err)

    return session


def test_a_log_of_what_is_expected(look: Look) -> None:
    for size in (0, 1, 7, 40, 40):
        assert look(Served(log=LOG, size=size), "--expect", "expect.toml") == Done(code=NOTHING, out="", err="")


def test_a_key_in_pem_with_the_name_of_the_log(look: Look) -> None:
    Path("log.pem").write_bytes(PEM)
    assert look(Served(log=LOG), "--log-key", "log.pem", "--log-origin", ORIGIN).code == NOTHING


def test_what_nobody_expects_is_told_once(look: Look) -> None:
    log = MadeLog(
        leaves=[*LOG.leaves[:3], leaf(index=3, artifact="test\x1b[2J"), leaf("key-rotated", 4, key="firmware")]
    )
    done = look(Served(log=log), "--expect", "expect.toml")
    assert (done.code, done.err) == (UNEXPECTED, "")
    first, second = done.out.splitlines()
    assert first.startswith("3 unexpected-signature: artifacts of releases time=2026-01-05T10:00:03.000000Z")
    assert "artifact=test\\x1b[2J" in first
    assert second.startswith("4 change: key-rotated")
    assert look(Served(log=log), "--expect", "expect.toml").code == NOTHING


def test_emergencies_are_told_unless_they_are_allowed(look: Look, tmp_path: Path) -> None:
    log = MadeLog(leaves=[LOG.leaves[0], leaf(index=1, emergency=True, person="ada", reason="a fire")])
    done = look(Served(log=log), "--state", "one")
    assert (done.code, done.out.split(" time=")[0]) == (UNEXPECTED, "1 emergency: signed in an emergency")
    assert look(Served(log=log), "--state", "two", "--allow-emergency") == Done(code=NOTHING, out="", err="")


def test_machines_read_documents(look: Look) -> None:
    log = MadeLog(leaves=[LOG.leaves[0], leaf(index=1, actor="api-token:other \u20ac")])
    done = look(Served(log=log), "--json", "--expect", "expect.toml")
    assert (done.code, done.documents) == (NOTHING, [])
    log.leaves.append(leaf("api-token-created", 2, after={"name": "x"}))
    (found,) = look(Served(log=log), "--json", "--expect", "expect.toml").documents
    assert (found["kind"], found["index"], found["leaf"]["after"]) == ("change", 2, {"name": "x"})


def test_two_histories_are_told_with_both_notes_and_for_ever(look: Look) -> None:
    assert look(Served(log=LOG, size=30)).code == NOTHING
    for source in (Served(log=FORK), Served(log=LOG)):
        done = look(source, "--json")
        assert (done.code, "are not one log" in done.err) == (INCONSISTENT, True)
        (found,) = done.documents
        assert (found["kind"], found["seen"]) == ("log-inconsistent", LOG.checkpoint(30).decode())
        assert found["shown"] == FORK.checkpoint().decode()


def test_a_wrong_entry_is_named(look: Look) -> None:
    done = look(Served(log=LOG, entries_of=FORK), "--json")
    assert done.code == INCONSISTENT
    assert (done.documents[0]["kind"], done.documents[0]["index"]) == ("log-entry-wrong", 20)


def test_an_older_checkpoint_is_an_alarm_when_it_stays(look: Look) -> None:
    assert look(Served(log=LOG)).code == NOTHING
    source = Served(log=LOG, size=30)
    done = look(source, "--json")
    assert (done.code, done.documents[0]["kind"]) == (UNEXPECTED, "checkpoint-stale")
    assert source.asked > 2
    assert look(Served(log=LOG)).code == NOTHING


def test_an_older_checkpoint_for_a_moment_is_nothing(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "STALE_SECONDS", 20.0)
    assert look(Served(log=LOG)).code == NOTHING

    class Late(Served):
        def checkpoint(self) -> bytes:
            self.size = 30 if self.asked < 2 else 40
            return Served.checkpoint(self)

    assert look(Late(log=LOG)) == Done(code=NOTHING, out="", err="")


NOT_SEEN: dict[str, Served | bytes] = {
    "another key": Served(log=MadeLog(leaves=LOG.leaves, keys=(NoteKey.ed25519(9),))),
    "parts that are not there": Served(log=LOG, change=lambda _: b""),
    "an HTML page": http(200, b"<html>", "text/html"),
    "a redirect": http(302, b"", "text/plain"),
    "a refusal": http(403, json.dumps({"code": "access-denied", "detail": "no", "status": 403}).encode(),
                      "application/problem+json"),
    "nothing": b"",
    "a huge checkpoint": http(200, b"x" * (1 << 20), "text/plain"),
}  # fmt: skip


@pytest.mark.parametrize("source", NOT_SEEN.values(), ids=NOT_SEEN)
def test_it_cannot_look_at(source: Served | bytes, look: Look) -> None:
    done = look(source, "--json")
    assert done.code == NOT_LOOKED
    assert done.err.startswith("artifact-signer: ")
    assert done.documents[0]["kind"]


WITNESS_KEY = str(NoteKey.ed25519(1, "w.example", KeyType.COSIGNATURE).verifier)
OTHER_LOG_KEY = str(NoteKey.ed25519(1, "other.example").verifier)
WRONG = {
    "two ways of looking": ("--once", "--follow", "3"),
    "no pause": ("--follow", "0"),
    "a pause that is none": ("--follow", "nan"),
    "keys of two logs": ("--log-key", OTHER_LOG_KEY),
    "the key of a witness": ("--log-key", WITNESS_KEY),
    "a key with a typing error": ("--log-key", LOG_KEY[:-4]),
    "a key file that is not there": ("--log-key", "no.vkey"),
    "a key in PEM without its name": ("--log-key", "log.pem"),
    "expectations that are not there": ("--expect", "no.toml"),
    "expectations that are none": ("--expect", "state.lock"),
    "a state in a folder that is not there": ("--state", "no/state"),
    "a state that is none": ("--state", "expect.toml"),
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_it_does_not_look_with(options: tuple[str, ...], look: Look) -> None:
    Path("state.lock").write_bytes(b"")
    Path("log.pem").write_bytes(PEM)
    source = Served(log=LOG)
    done = look(source, *options)
    assert (done.code, source.asked, done.out) == (NOT_LOOKED, 0, "")
    assert done.err


@contextmanager
def following(directory: Path, url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "signer", "log", "monitor", "--state", str(directory / "followed"), "--log-key",
               LOG_KEY, "--follow", "0.1", "--json", *options]  # fmt: skip
    variables = {"ARTIFACT_SIGNER_URL": url, "ARTIFACT_SIGNER_API_TOKEN": API_TOKEN, "PATH": "/usr/bin"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def test_it_follows_until_it_is_stopped(tmp_path: Path) -> None:
    log = MadeLog(leaves=list(LOG.leaves))
    with answering(answer(Served(log=log))) as server, following(tmp_path, server.url) as process:
        assert process.stdout is not None
        for index in (40, 41):
            log.leaves.append(leaf("key-rotated", index))
            assert json.loads(process.stdout.readline())["index"] == index
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == UNEXPECTED


def test_two_do_not_follow_with_one_state(tmp_path: Path) -> None:
    log = MadeLog(leaves=[*LOG.leaves, leaf("key-rotated", 40)])
    with answering(answer(Served(log=log))) as server, following(tmp_path, server.url) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with following(tmp_path, server.url) as other:
            assert other.wait(20) == NOT_LOOKED
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == UNEXPECTED


def test_it_goes_on_while_it_cannot_look_and_ends_where_there_are_two_histories(tmp_path: Path) -> None:
    source = Served(log=MadeLog(leaves=[*LOG.leaves, leaf("key-rotated", 40)]))
    with answering(answer(source)) as server, following(tmp_path, server.url) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["kind"] == "change"
        source.note = b"<html>"
        assert json.loads(process.stdout.readline())["kind"] == "checkpoint-refused"
        source.log = MadeLog(leaves=[*FORK.leaves, *LOG.leaves])
        source.note = None
        while (kind := json.loads(process.stdout.readline())["kind"]) == "checkpoint-refused":
            pass
        assert kind == "log-inconsistent"
        assert process.wait(20) == INCONSISTENT
