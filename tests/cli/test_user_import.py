"""``artifact-signer users import``: a session, and imports that are cut off."""

from __future__ import annotations

import json

import pytest

from signer.config import load_settings
from signer.storage.database import Database
from tests.cli.test_user_commands import Session, config, users
from tests.contract.test_user_import import HASH, listed_user
from tests.support.cut_command import cut
from tests.support.foreign_lists import written
from tests.support.rows import slow_but_every

__all__ = ["config", "users"]
STORE = "signer.storage.user_import_store:SqlUserImport.take"
WRITE = "signer.one_time_passwords:OneTimePasswordFile._replace"


def test_a_session(users: Session) -> None:
    home = users.config.parent
    path = str(written(home / "users.json", [listed_user("ada"), listed_user("bob", password=HASH)]))
    passwords = home / "passwords"
    told = "artifact-signer: {} 2 entries: 2 {}\n"
    assert users("import", path, "--dry-run") == (0, "", told.format("would take", "imported"))
    code, _, err = users("import", path)
    assert code == 2
    assert "1 users come without a hash: name a file, --passwords" in err
    code, out, err = users("import", path, "--passwords", str(passwords), "--role", "auditor")
    once = f"artifact-signer: 1 of them log in once with a password in {passwords}, and choose their own\n"
    assert (code, out, err) == (0, "", told.format("took", "imported") + once)
    assert json.loads(users("show", "ada@example.com", "--json")[1])["roles"] == ["auditor"]
    assert users("import", path) == (0, "", told.format("took", "known"))
    document = json.loads(users("import", path, "--json")[1])
    assert (document["outcomes"], document["one_time_passwords"]) == ({"known": 2}, 0)


def test_what_is_not_understood_is_told_and_not_repeated(users: Session) -> None:
    path = written(users.config.parent / "users.json", [listed_user("eve", password="in clear")])
    code, out, err = users("import", str(path))
    assert (code, out) == (1, "")
    assert "hash-unknown" in err
    assert "in clear" not in err


PLACES = [f"before {WRITE}", f"after {WRITE}", f"before {STORE}", f"after {STORE}"]


@pytest.mark.parametrize("place", slow_but_every(4, PLACES), ids=["no passwords", "passwords", "no users", "users"])
def test_an_import_that_is_cut_off_goes_on_with_the_same_command(users: Session, place: str) -> None:
    home, name = users.config.parent, f"cut{PLACES.index(place)}"
    path = written(home / "users.json", [listed_user(f"{name}a"), listed_user(f"{name}b")])
    passwords = home / f"{name}.passwords"
    arguments = ["import", str(path), "--passwords", str(passwords)]
    cut(place, "users", *arguments, "--config", users.config)
    held = passwords.read_text() if passwords.exists() else None
    code, _, err = users(*arguments)
    assert code == 0, err
    lines = passwords.read_text().splitlines()
    assert held is None or held.splitlines() == lines
    database = Database(load_settings(users.config, {}).database)
    database.close()
    found = json.loads(users("list", "--json")[1])["users"]
    assert [each["email"] for each in found if each["email"].startswith(name)] == [line.split(",")[0] for line in lines]
