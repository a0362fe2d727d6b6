"""``artifact-signer users`` on the database of an installation: sessions of commands, and what a log tells of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from signer.cli.main import run
from signer.config import load_settings
from signer.storage.database import Database
from signer.storage.first_policy import first_policy
from tests.support.databases import LOG_BEGAN

EMAIL = "ops@example.com"
CHEAP = "argon2_memory = 19456\nargon2_passes = 2\n"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation without a token."""
    home = tmp_path_factory.mktemp("installation")
    path = home / "artifact-signer.toml"
    path.write_text(
        f'[users]\n{CHEAP}[[tokens]]\nname = "t"\nuri = "pkcs11:token=t?module-path=/m.so"\npin = {{ env = "PIN" }}\n'
    )
    database = Database(load_settings(path, {}).database)
    database.upgrade(then=first_policy(lambda: LOG_BEGAN))
    database.close()
    return path


class Session:
    """Runs commands on the installation."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = config
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["users", *arguments, "--config", str(self.config)])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def password(self, text: str) -> str:
        path = self.config.parent / "password"
        path.write_text(text + "\n")
        return str(path)


@pytest.fixture
def users(config: Path, capsys: pytest.CaptureFixture[str]) -> Session:
    return Session(config, capsys)


def test_the_life_of_a_user(users: Session) -> None:
    words = users.password("correct horse battery")
    code, out, err = users("create", "Ops@Example.com", "--password-file", words)
    assert (code, out, err) == (0, "", f"artifact-signer: made the user {EMAIL}, whom rules call user:{EMAIL}\n")
    code, out, _ = users("show", EMAIL, "--json")
    shown = json.loads(out)
    assert (shown["email"], shown["roles"], shown["person"], shown["second_factor"]) == (
        EMAIL,
        ["device-manager"],
        None,
        False,
    )
    assert users("roles", EMAIL, "--role", "auditor", "--role", "reader")[::2] == (
        0,
        f"artifact-signer: {EMAIL} has auditor, reader\n",
    )
    assert users("disable", EMAIL, "--reason", "left")[2].endswith("none of their tokens proves anything any more\n")
    assert users("disable", EMAIL, "--reason", "left")[2].endswith("was disabled before\n")
    code, out, _ = users("list")
    heading, row = out.splitlines()
    assert heading.split() == ["EMAIL", "ROLES", "PERSON", "SECOND", "FACTOR", "LAST", "LOGIN", "DISABLED"]
    assert row.split()[:5] == [EMAIL, "auditor,reader", "-", "no", "-"]
    assert users("enable", EMAIL, "--reason", "back")[2].endswith("they have to log in again\n")
    assert users("password", EMAIL, "--password-file", users.password("another horse battery"))[0] == 0
    assert users("totp-reset", EMAIL, "--reason", "lost")[2].endswith("has no second factor\n")
    assert users("delete", EMAIL)[::2] == (0, f"artifact-signer: deleted {EMAIL}\n")
    assert users("show", EMAIL)[0] == 1


REFUSED = {
    "a password of seven characters": (("create", "a@b.c"), "seven77", "it is shorter than 8 characters"),
    "a password in another script": (("create", "a@b.c"), "pässwörter", "other characters than ASCII"),
    "an address that is none": (("create", "nobody"), "correct horse", "the member email cannot be that"),
    "a role that is none": (("create", "a@b.c", "--role", "NO"), "correct horse", "the member roles cannot be that"),
    "a person that nobody knows": (("create", "a@b.c", "--person", "eve"), "correct horse", "eve"),
    "the password of nobody": (("password", "x@y.z"), "correct horse", "there is no user x@y.z"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_command_is_refused(users: Session, sentence: str) -> None:
    arguments, text, said = REFUSED[sentence]
    code, out, err = users(*arguments, "--password-file", users.password(text))
    assert (code in (1, 3), out) == (True, "")
    assert said in err
    assert text not in err


def test_a_password_file_that_is_missing_is_named(users: Session) -> None:
    code, _, err = users("create", "a@b.c", "--password-file", "/nonexistent")
    assert code != 0
    assert "/nonexistent cannot be read" in err


def test_neither_password_nor_hash_is_in_the_record(users: Session) -> None:
    for email, text in (("one@example.com", "a secret horse"), ("two@example.com", "a second horse")):
        assert users("create", email, "--password-file", users.password(text))[0] == 0
    raw = b"".join(path.read_bytes() for path in users.config.parent.glob("artifact-signer.sqlite*"))
    assert b"horse" not in raw
    assert b"user-created" in raw
    database = Database(load_settings(users.config, {}).database)
    with database.reading() as connection:
        told = [str(row) for row in connection.exec_driver_sql("SELECT * FROM events_before_log")]
    database.close()
    assert any("user-created" in row for row in told)
    assert not any("argon2" in row for row in told)
