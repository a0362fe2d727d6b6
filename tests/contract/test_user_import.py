"""Users of another server on every database: taken once, with their hashes, and what they log in with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from signer.auth import bcrypt_hashes
from signer.domain.events import EventType
from signer.errors.imports import ListNotTaken, ListUnreadable, PasswordFileUnfit
from signer.one_time_passwords import OneTimePasswordFile
from signer.services.user_import import UserImport, UserReview
from signer.storage.key_store import SqlKeyStore
from signer.storage.user_import_store import SqlUserImport
from signer.user_lists import MAX_USERS, read_user_list
from tests.support.clock import ManualClock
from tests.support.foreign_lists import foreign_id, written
from tests.support.user_site import PASSWORD, USERADM, UserSite, user_site

EMAIL = "ops@example.com"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()


def listed_user(name: str = "ops", **more: Any) -> dict[str, Any]:
    """A user, as ``GET /api/management/v1/useradm/users`` has it."""
    members = {
        "id": foreign_id(name),
        "email": f"{name}@example.com",
        "created_ts": "2025-02-03T04:05:06.789Z",
        "updated_ts": "2025-02-03T04:05:06.789Z",
        **more,
    }
    return {member: value for member, value in members.items() if value is not ...}


class Place:
    """A service that users log in to, and the import of lists there."""

    def __init__(self, site: UserSite, directory: Path) -> None:
        self.site, self.directory = site, directory
        database, clock = site.house.database, site.clock
        records = SqlUserImport(database=database, clock=clock)
        self.importing = UserImport(
            records=records, passwords=site.house.parts.users.passwords, roles=("device-manager",)
        )
        self.keys = SqlKeyStore(database=database, clock=clock)
        self.passwords = directory / "passwords"

    def review(self, *entries: object, skip_faulty: bool = False) -> tuple[UserReview, list[tuple[int, str]]]:
        listed, _ = read_user_list(written(self.directory / "users.json", entries))
        remarks: list[tuple[int, str]] = []
        review = self.importing.review(
            listed, lambda number, reason, _: remarks.append((number, reason.value)), skip_faulty=skip_faulty
        )
        return review, remarks

    def take(self, *entries: object, skip_faulty: bool = False) -> dict[str, int]:
        review, _ = self.review(*entries, skip_faulty=skip_faulty)
        self.importing.take(review, OneTimePasswordFile(self.passwords), actor="tests", list_sha256="0" * 64)
        return {reason.value: number for reason, number in review.by_reason.items()}

    def given(self, email: str = EMAIL) -> str:
        return dict(line.split(",") for line in self.passwords.read_text().splitlines())[email]

    def told(self) -> list[tuple[str, Mapping[str, object]]]:
        found = self.keys.events(after=0, limit=1000, key=None)
        return [(each.event.type.value, each.event.after) for each in found if each.event.type.value[:5] == "user-"]

    def login(self, password: str, email: str = EMAIL) -> int:
        return self.site.login(email, password).status_code


@pytest.fixture
def place(database_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Place]:
    with user_site(database_url, tmp_path, clock) as site:
        yield Place(site, tmp_path)


def test_who_has_a_hash_logs_in_as_before_and_it_is_made_anew(place: Place) -> None:
    assert place.take(listed_user(password=HASH)) == {"imported": 1}
    assert place.login("another " + PASSWORD) == 401
    assert [place.login(PASSWORD), place.login(PASSWORD)] == [200, 200]
    user = place.site.house.parts.users.store.named(EMAIL)
    assert (user.id, user.roles) == (foreign_id("ops"), ("device-manager",))
    kept = place.site.house.parts.users.store.secrets(user.id).password_hash
    assert kept.startswith("$argon2id$")
    kinds = [kind for kind, _ in place.told()]
    assert kinds == [EventType.USER_IMPORTED.value, EventType.USER_PASSWORD_CHANGED.value]
    assert HASH not in json.dumps([facts for _, facts in place.told()])
    assert not place.passwords.exists()


def test_each_look_takes_as_long_as_one_at_bcrypt_while_there_is_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []
    monkeypatch.setattr(bcrypt_hashes, "spend", lambda cost, _: spent.append(cost))
    place.site.create("dev@example.com")
    place.login("nobody's password", "nobody@example.com")
    assert spent == []
    place.take(listed_user(password=HASH))
    place.login("nobody's password", "nobody@example.com")
    place.login(PASSWORD, "dev@example.com")
    assert spent == [10, 10]
    place.login(PASSWORD)
    place.login("nobody's password", "nobody@example.com")
    assert spent == [10, 10]


def test_who_has_none_logs_in_once_and_chooses_another(place: Place) -> None:
    place.take(listed_user())
    given = place.given()
    assert place.passwords.stat().st_mode & 0o777 == 0o600
    assert place.login("x" + given) == 401
    session = place.site.session(EMAIL, given)
    assert place.login(given) == 401
    change = {"current_password": given, "password": "a password of my own"}
    changed = place.site.ask("PUT", f"{USERADM}/users/me", session, change)
    assert changed.status_code == 204, changed.data
    assert [place.login(given), place.login("a password of my own")] == [401, 200]
    assert place.told()[1][1]["because"] == "used-up"


def test_a_list_that_is_taken_twice_changes_nothing(place: Place) -> None:
    entries = [listed_user(), listed_user("dev", password=HASH)]
    assert place.take(*entries) == {"imported": 2}
    given, before = place.passwords.read_text(), place.told()
    place.login(place.given())
    assert place.take(*entries) == {"known": 2}
    assert place.passwords.read_text() == given
    assert place.told()[: len(before)] == before
    assert [kind for kind, _ in place.told()].count("user-imported") == 2


def test_passwords_that_were_given_before_a_cut_are_used(place: Place) -> None:
    given = OneTimePasswordFile(place.passwords).of([EMAIL])
    assert place.take(listed_user()) == {"imported": 1}
    assert place.login(given[EMAIL].text) == 200


def test_the_export_of_a_database_is_a_list(place: Place) -> None:
    path = place.directory / "users.json"
    lines = [listed_user(id=..., _id=foreign_id("ops"), password=HASH), listed_user("dev", password_hash=HASH)]
    path.write_text("\n".join(map(json.dumps, lines)))
    entries, _ = read_user_list(path)
    assert [each.user is not None and each.user.bcrypt for each in entries] == [HASH, HASH]


FAULTY = {
    "no id": (listed_user(id=...), "id-invalid"),
    "an id that is none": (listed_user(id="1"), "id-invalid"),
    "no address": (listed_user(email=...), "email-invalid"),
    "an address that is none": (listed_user(email="ops"), "email-invalid"),
    "a password in clear": (listed_user(password=PASSWORD), "hash-unknown"),
    "a number for a hash": (listed_user(password=1), "hash-unknown"),
    "a hash that is too cheap": (listed_user(password=HASH.replace("$10$", "$09$")), "hash-unknown"),
    "a hash that takes hours": (listed_user(password=HASH.replace("$10$", "$31$")), "hash-unknown"),
    "half a hash": (listed_user(password=HASH[:-1]), "hash-unknown"),
    "a hash of another kind": (listed_user(password="$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"), "hash-unknown"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_is_not_understood_has_a_name(name: str, tmp_path: Path) -> None:
    entry, problem = FAULTY[name]
    entries, _ = read_user_list(written(tmp_path / "l", [entry]))
    assert [each.problem for each in entries] == [problem]


ON_RECORD = {
    "the id of another user": (listed_user("dev", id=foreign_id("ops")), "id-of-another-user"),
    "the address under another id": (listed_user(id=foreign_id("dev")), "email-of-another-user"),
}


@pytest.mark.parametrize("name", ON_RECORD)
def test_the_list_of_another_installation_is_refused(name: str, place: Place) -> None:
    place.take(listed_user(password=HASH))
    entry, problem = ON_RECORD[name]
    with pytest.raises(ListNotTaken):
        place.take(listed_user("new", password=HASH), entry)
    assert len(place.told()) == 1
    assert place.review(entry, skip_faulty=True)[1] == [(1, problem)]
    assert place.take(listed_user("new", password=HASH), entry, skip_faulty=True) == {"imported": 1, problem: 1}


def test_an_address_that_is_a_person_s_is_not_taken(place: Place) -> None:
    people = place.site.house.parts.administration.people
    people.create("ada", display=None, email=None, actor="tests")
    people.assign(f"user:{EMAIL}", "ada", actor="tests")
    assert place.review(listed_user(), skip_faulty=True)[1] == [(1, "email-of-a-person")]


def test_what_stands_twice_is_refused(place: Place) -> None:
    with pytest.raises(ListNotTaken):
        place.take(listed_user(), listed_user("dev", email="OPS@example.com"))
    assert not place.passwords.exists()
    assert place.told() == []


BROKEN = {"half a list": '[{"id":"1"}', "half a line": '{"id":"1"}\n{"id', "nothing": "", "CSV": "id,email\n"}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_list_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "l").write_text(BROKEN[name])
    with pytest.raises(ListUnreadable):
        read_user_list(tmp_path / "l")


def test_a_list_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "l").write_text("{}" * (MAX_USERS + 1))
    with pytest.raises(ListUnreadable):
        read_user_list(tmp_path / "l")


class TestTheFileOfPasswords:
    """Its owner's alone, whole whenever the power goes."""

    def test_others_may_not_read_it(self, tmp_path: Path) -> None:
        path = tmp_path / "passwords"
        path.write_text("")
        path.chmod(0o640)
        with pytest.raises(PasswordFileUnfit):
            OneTimePasswordFile(path).of([EMAIL])

    def test_it_is_no_link(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").touch(mode=0o600)
        with pytest.raises(OSError, match="symbolic"):
            OneTimePasswordFile(tmp_path / "link").of([EMAIL])

    @pytest.mark.parametrize("text", ["ops@example.com\n", "ops@example.com,short\n", "\n"])
    def test_what_holds_something_else_is_left_alone(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "passwords"
        path.touch(mode=0o600)
        path.write_text(text)
        with pytest.raises(PasswordFileUnfit):
            OneTimePasswordFile(path).of(["dev@example.com"])
        assert path.read_text() == text

    def test_passwords_are_added_and_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "passwords"
        (tmp_path / "passwords.new").write_text("of a command that was cut off")
        first = OneTimePasswordFile(path).of([EMAIL])
        both = OneTimePasswordFile(path).of([EMAIL, "dev@example.com"])
        assert both[EMAIL].text == first[EMAIL].text != both["dev@example.com"].text
        assert (path.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o600, [path])
