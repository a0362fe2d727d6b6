"""``log verify``, ``log export``, ``log show`` and ``log search`` as a person runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import text

from signer.cli.main import run
from signer.domain.verified_log import VerifiedLog
from signer.storage.checkpoint_file import CheckpointFile
from signer.storage.log_reader import SqlLogReader
from tests.support.audited_logs import AuditedLog
from tests.support.clock import ManualClock
from tests.support.databases import Opener
from tests.support.written_logs import ORIGIN, WrittenLog, leaves, log_key, note, verifier_key

CONFIG = """
[database]
url = "{url}"
[log]
checkpoint_file = "log.checkpoint"
[[tokens]]
name = "one"
uri = "pkcs11:token=one?module-path=/nowhere.so"
pin = {{ file = "token.pin" }}
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    for name in ("URL", "CONFIG", "LOG_KEY_FILE"):
        monkeypatch.delenv(f"ARTIFACT_SIGNER_{name}", raising=False)

    def call(*arguments: object) -> Done:
        code = run([str(argument) for argument in arguments])
        return Done(code, *capfd.readouterr())

    return call


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str) -> Iterator[AuditedLog]:
    """A database with a log, its configuration and the checkpoint file, in the folder of the test."""
    opener = Opener(sqlite_url)
    log = AuditedLog(opener(), ManualClock())
    log.sign(5)
    (tmp_path / "signer.toml").write_text(CONFIG.format(url=sqlite_url))
    reader = SqlLogReader(database=log.database)
    verified = VerifiedLog().extended(reader.leaves(0, reader.head().size))
    CheckpointFile(tmp_path / "log.checkpoint").create(note=log.certify(), log=verified)
    yield log
    opener.close()


class TestOfTheDatabase:
    @pytest.fixture
    def here(self, installation: AuditedLog, tmp_path: Path) -> tuple[object, ...]:
        return ("--config", tmp_path / "signer.toml", "--log-key", verifier_key())

    def test_a_log_that_holds(self, command: Command, here: tuple[object, ...]) -> None:
        done = command("log", "verify", *here)
        assert (done.code, done.err) == (0, "")
        assert "signatures  5" in done.out

    def test_without_a_key_it_is_the_one_beside_the_configuration(
        self, command: Command, here: tuple[object, ...], tmp_path: Path, installation: AuditedLog
    ) -> None:
        installation.tell_keys()
        installation.certify()
        (tmp_path / "log.vkey").write_text(f"{verifier_key()}\n")
        done = command("log", "verify", *here[:2])
        assert (done.code, "the log's key is the one of" in done.err) == (0, True)

    @pytest.mark.parametrize(
        ("kept", "code", "says"),
        [
            pytest.param(f"{verifier_key(2)}\n", 1, "checkpoint is not one of this log", id="another one there"),
            pytest.param(None, 2, "--log-key names it", id="none there"),
            pytest.param("", 2, "holds no key", id="an empty file there"),
            pytest.param(
                f"{verifier_key()}\n{verifier_key(2, 'b')}\n", 2, "several logs", id="those of two logs there"
            ),
        ],
    )
    def test_a_key_that_only_the_database_tells_is_not_believed(
        self, command: Command, tmp_path: Path, installation: AuditedLog, kept: str | None, code: int, says: str
    ) -> None:
        installation.tell_keys()
        installation.keep(tmp_path / "log.checkpoint")
        if kept is not None:
            (tmp_path / "log.vkey").write_text(kept)
        here = ("--config", tmp_path / "signer.toml")
        done = command("log", "verify", *here)
        assert (done.code, done.out) == (code, "")
        assert says in done.err
        assert command("log", "export", tmp_path / "copy", *here).code == 2
        assert not (tmp_path / "copy").exists()

    @pytest.mark.parametrize(("origin", "code"), [(ORIGIN, 0), ("other.example/log", 1), (None, 2)])
    def test_a_key_in_pem(
        self, command: Command, here: tuple[object, ...], tmp_path: Path, origin: str | None, code: int
    ) -> None:
        pem = log_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "log.pem").write_bytes(pem)
        options = () if origin is None else ("--log-origin", origin)
        done = command("log", "verify", *here[:2], "--log-key", tmp_path / "log.pem", *options)
        assert done.code == code, done.err

    def test_its_document(self, command: Command, here: tuple[object, ...]) -> None:
        document = json.loads(command("log", "verify", "--json", *here).out)
        assert document["holds"] is True
        assert (document["signatures"], document["fault"], document["not_seen"]) == (5, None, [])

    def test_a_changed_column(self, command: Command, here: tuple[object, ...], installation: AuditedLog) -> None:
        with installation.database.writing() as connection:
            connection.execute(text("DROP TRIGGER log_leaves_keep_update"))
            connection.execute(text("UPDATE log_leaves SET actor = 'other' WHERE id = 5"))
        done = command("log", "verify", *here)
        assert (done.code, done.out) == (1, "")
        assert "beside leaf 5 the database has another actor than the leaf says" in done.err
        document = json.loads(command("log", "verify", "--json", *here).out)
        assert (document["holds"], document["fault"]["index"], document["fault"]["kind"]) == (False, 5, "beside")

    def test_the_last_leaves_gone_and_the_head_made_to_fit(
        self, command: Command, here: tuple[object, ...], installation: AuditedLog
    ) -> None:
        reader = SqlLogReader(database=installation.database)
        size = reader.head().size - 2
        log = VerifiedLog().extended(reader.leaves(0, size))
        with installation.database.writing() as connection:
            for table in ("log_leaves", "log_checkpoints", "signatures"):
                connection.execute(text(f"DROP TRIGGER {table}_keep_delete"))
            connection.execute(text(f"DELETE FROM log_leaves WHERE id >= {size}"))
            connection.execute(text(f"DELETE FROM signatures WHERE id >= {size}"))
            connection.execute(text("DELETE FROM log_checkpoints"))
            head = {"size": size, "root": log.frontier.root, "frontier": b"".join(log.frontier.hashes)}
            connection.execute(text("UPDATE log_head SET size = :size, root = :root, frontier = :frontier"), head)
        done = command("log", "verify", *here)
        assert done.code == 1
        assert "its end is gone" in done.err

    @pytest.mark.parametrize("content", [None, b"", b"\0" * 65536])
    def test_the_checkpoint_file_gone_or_damaged(
        self, command: Command, here: tuple[object, ...], tmp_path: Path, content: bytes | None
    ) -> None:
        path = tmp_path / "log.checkpoint"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        done = command("log", "verify", *here)
        assert done.code == 1
        assert "the file of the newest checkpoint" in done.err

    def test_it_goes_on(
        self, command: Command, here: tuple[object, ...], tmp_path: Path, installation: AuditedLog
    ) -> None:
        installation.sign(300)
        state = ("--state", tmp_path / "state", "--json")
        assert command("log", "verify", *here, *state).code == 0
        installation.sign(1)
        assert json.loads(command("log", "verify", *here, *state).out)["verified_before"] == 256

    def test_a_copy_of_it(self, command: Command, here: tuple[object, ...], tmp_path: Path) -> None:
        made = command("log", "export", tmp_path / "copy", *here)
        assert (made.code, made.out) == (0, "")
        done = command("log", "verify", "--export", tmp_path / "copy")
        assert done.code == 0
        assert "the log's key is the one of the export itself" in done.err
        assert "not seen from outside" in done.err

    def test_what_is_in_it(self, command: Command, here: tuple[object, ...]) -> None:
        config = here[:2]
        shown = command("log", "show", "--last", "2", *config)
        assert [line.split()[2] for line in shown.out.splitlines()[1:]] == ["signature", "signature"]
        (leaf,) = json.loads(command("log", "search", "--type", "log-created", "--json", *config).out)
        assert leaf["index"] == 0
        assert "log-created" in command("log", "show", "0", *config).out
        found = json.loads(command("log", "search", "--key", "firmware", "--limit", "3", "--json", *config).out)
        assert [entry["leaf"]["key"] for entry in found] == ["firmware"] * 3

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("search", "--actor", "nobody"), 1),
            (("search", "--since", "2999-01-01T00:00:00Z"), 1),
            (("search", "--until", "1999-01-01T00:00:00Z"), 1),
            (("search", "--manifest-sha256", "0" * 64), 1),
            (("search", "--artifact", "none"), 1),
            (("search", "--type", "nothing"), 2),
            (("search", "--since", "yesterday"), 2),
            (("search", "--since", "2030-01-01T00:00:00"), 2),
            (("show", "5000"), 1),
        ],
    )
    def test_what_is_not_in_it(
        self, command: Command, here: tuple[object, ...], arguments: tuple[str, ...], code: int
    ) -> None:
        assert command("log", *arguments, *here[:2]).code == code


LOG = WrittenLog.of(leaves(300))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return LOG.export(tmp_path_factory.mktemp("log"))


def test_a_checkpoint_of_before(command: Command, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "seen").write_bytes(LOG.at(200))
    (tmp_path / "other").write_bytes(note(200, bytes(32)))
    (tmp_path / "larger").write_bytes(note(301, bytes(32)))
    codes = [command("log", "verify", "--export", copy, "--since", tmp_path / name).code
             for name in ("seen", "other", "larger")]  # fmt: skip
    assert codes == [0, 1, 1]


UNSEEN = {
    "a folder that is not there": ("--export", "{tmp}/nowhere"),
    "two logs": ("--export", "{copy}", "--config", "{tmp}/signer.toml"),
    "no service named": (),
    "a key that is none": ("--export", "{copy}", "--log-key", "a+b+c"),
    "keys of two logs": (
        "--export",
        "{copy}",
        "--log-key",
        str(verifier_key()),
        "--log-key",
        str(verifier_key(2, "b")),
    ),
    "a checkpoint that is none": ("--export", "{copy}", "--since", "{copy}/log.vkey"),
    "a checkpoint that is not there": ("--export", "{copy}", "--since", "{tmp}/nothing"),
    "a state that is none": ("--export", "{copy}", "--state", "{copy}/log.vkey"),
    "a configuration that is not there": ("--config", "{tmp}/signer.toml"),
}


@pytest.mark.parametrize("sentence", UNSEEN)
def test_what_cannot_be_looked_at(command: Command, copy: Path, tmp_path: Path, sentence: str) -> None:
    done = command("log", "verify", *(part.format(tmp=tmp_path, copy=copy) for part in UNSEEN[sentence]))
    assert (done.code, done.out) == (2, "")
    assert done.err


def test_another_key_believes_nothing(command: Command, copy: Path) -> None:
    done = command("log", "verify", "--export", copy, "--log-key", verifier_key(2))
    assert done.code == 1
    assert "checkpoint" in done.err
